"""Whether facts are those of the file."""

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

FILE: Final = Path(__file__).with_name("facts.json")

# The numbers are written with six digits, so that their last one may differ by one. TensorFlow, JAX
# and PyTorch, on the lowest and the newest versions, were nowhere further apart.
RELATIVE: Final = 1e-5
ABSOLUTE: Final = 1e-6

_WIDTH: Final = 97


def known_facts() -> dict[str, Any]:
    """Returns the facts of every use, as the file has them."""
    facts: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return facts


def differences(known: Any, found: Any, where: str = "") -> Iterator[str]:
    """Yields what differs: keys, texts and whole numbers exactly, other numbers nearly.

    Args:
        known: A fact of the file.
        found: The same fact, of this process.
        where: How the fact is found, for what is said.
    """
    if isinstance(known, Mapping) and isinstance(found, Mapping):
        for key in sorted({*known, *found}):
            place = f"{where} / {key}" if where else key
            if key not in found:
                yield f"{place}: missing, was {shown(known[key])}"
            elif key not in known:
                yield f"{place}: new, {shown(found[key])}"
            else:
                yield from differences(known[key], found[key], place)
    elif isinstance(known, list) and isinstance(found, list):
        if len(known) != len(found):
            yield f"{where}: {len(found)} instead of {len(known)}: {shown(found)}"
        for number, pair in enumerate(zip(known, found, strict=False)):
            yield from differences(*pair, f"{where}[{number}]")
    elif not _same(known, found):
        yield f"{where}: {shown(found)} instead of {shown(known)}"


def _same(known: Any, found: Any) -> bool:
    if isinstance(known, bool) or isinstance(found, bool):
        return known is found
    numbers = isinstance(known, (int, float)) and isinstance(found, (int, float))
    if numbers and (isinstance(known, float) or isinstance(found, float)):
        return math.isclose(known, found, rel_tol=RELATIVE, abs_tol=ABSOLUTE)
    return bool(known == found)


def shown(value: Any) -> str:
    """Returns a value as JSON, cut where it is long."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 200 else f"{text[:200]}…"


def written(value: Any, indent: int = 0) -> str:
    """Returns facts as JSON, with as many entries on a line as fit.

    Args:
        value: The facts.
        indent: How far the lines after the first are indented.
    """
    line = json.dumps(value, ensure_ascii=False)
    if len(line) + indent <= _WIDTH or not isinstance(value, (dict, list)):
        return line
    if isinstance(value, dict):
        names = [f"{json.dumps(name, ensure_ascii=False)}: " for name in value]
        entries = [written(each, indent + 1) for each in value.values()]
        parts = [name + entry for name, entry in zip(names, entries, strict=True)]
    else:
        parts = [written(each, indent + 1) for each in value]
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    inner = "\n" + " " * (indent + 1)
    # The uses themselves begin on lines of their own.
    lines = parts if indent == 0 else _packed(parts, _WIDTH - indent)
    return f"{opening}{inner}{f',{inner}'.join(lines)}\n{' ' * indent}{closing}"


def _packed(parts: list[str], width: int) -> list[str]:
    """Joins parts of a line while they fit; those of several lines stay as they are."""
    lines: list[str] = []
    for part in parts:
        joined = f"{lines[-1]}, {part}" if lines else part
        if lines and "\n" not in joined and len(joined) <= width:
            lines[-1] = joined
        else:
            lines.append(part)
    return lines
