"""How a field of the GraphQL schema finds the Python code that answers it.

A field is answered by a function registered here for its type, or else by the attribute or
method of the same name of the object at hand. Functions are for fields whose answer lives in a
module that the object's own module must not know: a project knows nothing of runs, but a query
for a project's runs begins at the project.
"""

import re
from collections.abc import Callable
from typing import Any, TypeVar

from graphql import GraphQLResolveInfo

from wandb_loopback.errors import GapError

F = TypeVar("F", bound=Callable[..., Any])

_PARAMETERS = {"input": "values", "id": "identifier"}
"""Arguments of fields whose names mean something else in Python."""

_FUNCTIONS: dict[tuple[str, str], Callable[..., Any]] = {}


def field(kind: str, name: str | None = None) -> Callable[[F], F]:
    """Register a function that answers a field.

    It is called with the object at hand (the store, for a query or a mutation as a whole) and
    the field's arguments by name.

    Args:
        kind: The GraphQL type that has the field.
        name: The field, in snake case. Defaults to the function's own name.
    """

    def register(function: F) -> F:
        _FUNCTIONS[kind, name or function.__name__] = function
        return function

    return register


DONE = {"success": True, "client_mutation_id": None}
"""The answer to a mutation that has nothing to tell."""


def resolve(source: Any, info: GraphQLResolveInfo[Any], **arguments: Any) -> Any:
    """Answer one field; graphql-core calls this for every field of every query."""
    name = snake(info.field_name)
    given = {_PARAMETERS.get(key) or snake(key): value for key, value in arguments.items()}
    function = _FUNCTIONS.get((info.parent_type.name, name))
    if function is not None:
        return function(source, **given)
    try:
        value = source[name] if isinstance(source, dict) else getattr(source, name)
    except (AttributeError, KeyError) as error:
        raise GapError(f"no answer to {info.parent_type.name}.{info.field_name}") from error
    return value(**given) if callable(value) else value


def has_answer(kind: str, cls: type | None, field_name: str) -> bool:
    """Whether a field of a type, whose objects are of a class, would find its code."""
    name = snake(field_name)
    return (kind, name) in _FUNCTIONS or (
        cls is not None and (hasattr(cls, name) or name in _annotations(cls))
    )


def _annotations(cls: type) -> set[str]:
    return {name for base in cls.__mro__ for name in vars(base).get("__annotations__", {})}


def snake(name: str) -> str:
    """Turn `ttlDurationSeconds` into `ttl_duration_seconds`, and `clientID` into `client_id`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
