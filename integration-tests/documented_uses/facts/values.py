"""Values as JSON has them, short, and without what differs from one training to the next."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

_LONG: Final = 16
# In two places wandb puts random names, which may have no digit.
_DIGEST: Final = re.compile(
    r"(?<=/t_)[0-9a-z]{8}|(?<=serialized_data/1_)[0-9a-z]{8}|(?<![0-9a-z])(?=[0-9a-z]*\d)[0-9a-z]{8,}(?![0-9a-z])"
)


def plain(value: Any) -> Any:
    """Returns a value as JSON has it: floats with six digits, and text without digests."""
    if isinstance(value, str):
        return without_digests(value)
    if isinstance(value, Mapping):
        return {without_digests(str(key)): plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [plain(each) for each in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float):
        return float(f"{value:.6g}")
    return value


def short(values: Sequence[Any]) -> Any:
    """Returns a list; of one that is long or all alike, what it comes to."""
    alike = all(isinstance(each, (str, list, dict)) and each == values[0] for each in values)
    if len(values) > 2 and alike:
        return {"count": len(values), "each": plain(values[0])}
    if len(values) <= _LONG:
        return plain(values)
    if all(isinstance(each, (int, float)) for each in values):
        ends = {"count": len(values), "first": values[0], "last": values[-1], "sum": sum(values)}
        return plain(ends)
    return {"count": len(values), "different": len({str(each) for each in values})}


def columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Returns rows that have the same keys as columns."""
    return {key: short([row[key] for row in rows]) for key in sorted(rows[0])}


def without_digests(text: str) -> str:
    """Returns a text with a `*` for each word that looks like a digest or a random name."""
    return _DIGEST.sub("*", text)
