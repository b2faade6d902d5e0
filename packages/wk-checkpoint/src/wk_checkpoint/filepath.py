"""Paths with placeholders: checked before training, filled in for each checkpoint."""

import math
import re
import string
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

__all__ = ["beside", "check_filepath", "fill", "placeholders"]

_ENDING: Final = re.compile(r"(\.weights\.h5|\.keras|\.h5|\.hdf5)?/*$")


def placeholders(template: str) -> set[str]:
    """Returns the names of the placeholders in a path."""
    return {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}


def check_filepath(filepath: str, save_freq: Any) -> None:
    """Raises ValueError if a path has no name, or has a placeholder that can never be filled in."""
    if "\0" in filepath or Path(filepath).name in ("", ".."):
        raise ValueError(f"`filepath` must name a file or a directory. Received: {filepath!r}")
    try:
        filepath.format_map(_AnyName({"epoch": 1, "batch": 1}, default=1.0))
    except (ValueError, LookupError, AttributeError, TypeError) as error:
        raise ValueError(
            "`filepath` has a placeholder that can never be filled in. Accepted are {epoch}, "
            "{batch} and names of metrics, with a number's format, as in "
            f"'{{epoch:02d}}-{{val_loss:.2f}}.keras'. Received: filepath={filepath!r} ({error})"
        ) from error
    if save_freq == "epoch" and "batch" in placeholders(filepath):
        raise ValueError(
            "`filepath` has the placeholder {batch}, but at the end of an epoch there is no "
            f"batch: give `save_freq` a number of batches. Received: filepath={filepath!r}, "
            f"save_freq={save_freq!r}"
        )


def fill(
    template: str,
    counts: Mapping[str, int],
    metrics: Mapping[str, float],
    *,
    allow_unknown: bool = False,
) -> str:
    """Returns a path with its placeholders filled in.

    Args:
        template: The path.
        counts: The values of `{epoch}` and, if there is one, of `{batch}`.
        metrics: The values of the other placeholders.
        allow_unknown: Whether to fill in `nan` for unknown metrics.

    Raises:
        KeyError: If a placeholder has no value.
    """
    if allow_unknown:
        return template.format_map(_AnyName({**counts, **metrics}, default=math.nan))
    try:
        return template.format(**{**counts, **metrics})
    except KeyError as error:
        known = ", ".join([*counts, *(name for name in metrics if name not in counts)])
        raise KeyError(
            f"filepath={template!r} has a placeholder {error} that is not known when the "
            f"checkpoint is taken. Known are: {known}."
        ) from error


def beside(path: str) -> str:
    """Returns the path for a checkpoint that must not replace the one at `path`.

    For `model.keras` that is `model.non_finite.keras`, for a directory `models.non_finite`.
    """
    return _ENDING.sub(r".non_finite\1", path, count=1)


class _AnyName(dict[str, float]):
    """A dictionary with a default value for every other name."""

    def __init__(self, numbers: Mapping[str, float], *, default: float) -> None:
        super().__init__(numbers)
        self._default = default

    def __missing__(self, name: str) -> float:
        return self._default
