"""Filters and orders of lists of runs and artifacts, in the Mongo-like language of the client."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from wandb_loopback.errors import GapError

Value = Callable[[str], Any]
"""Gives the value that an object has under a key of the filter language."""


def _holds(test: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    """Make a comparison false, rather than an error, where there is nothing to compare."""
    return lambda value, operand: value is not None and test(value, operand)


_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "$eq": lambda value, operand: value == operand or _contains(value, operand),
    "$ne": lambda value, operand: not _OPERATORS["$eq"](value, operand),
    "$in": lambda value, operand: any(_OPERATORS["$eq"](value, each) for each in operand),
    "$nin": lambda value, operand: not _OPERATORS["$in"](value, operand),
    "$gt": _holds(lambda value, operand: value > operand),
    "$gte": _holds(lambda value, operand: value >= operand),
    "$lt": _holds(lambda value, operand: value < operand),
    "$lte": _holds(lambda value, operand: value <= operand),
    "$regex": _holds(lambda value, operand: re.search(operand, value) is not None),
    "$exists": lambda value, operand: (value is not None) == operand,
}


def _contains(value: Any, operand: Any) -> bool:
    """A list matches, as tags do, if one of its items does."""
    return isinstance(value, list) and operand in value


def matches(value: Value, wanted: str | None) -> bool:
    """Whether an object satisfies a filter, which is JSON text; no filter is always satisfied."""
    return _satisfies(value, json.loads(wanted or "{}") or {})


def _satisfies(value: Value, wanted: Mapping[str, Any]) -> bool:
    return all(_condition(value, key, condition) for key, condition in wanted.items())


def _condition(value: Value, key: str, condition: Any) -> bool:
    if key == "$and":
        return all(_satisfies(value, each) for each in condition)
    if key == "$or":
        return not condition or any(_satisfies(value, each) for each in condition)
    operations = condition if isinstance(condition, dict) else {"$eq": condition}
    for operator, operand in operations.items():
        if operator not in _OPERATORS:
            raise GapError(f"filter operator {operator}")
        if not _OPERATORS[operator](value(key), operand):
            return False
    return True


def ordered(objects: list[Any], value: Callable[[Any, str], Any], order: str) -> list[Any]:
    """Sort objects; those without a value come last in ascending order.

    Args:
        objects: What to sort.
        value: Gives the value that an object has under a key.
        order: A key, with `-` before it for a descending order and `+` (or nothing) otherwise.
    """

    def rank(each: Any) -> tuple[bool, Any]:
        found = value(each, order.lstrip("+-"))
        return (found is None, 0 if found is None else found)

    return sorted(objects, key=rank, reverse=order.startswith("-"))
