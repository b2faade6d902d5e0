"""Answers GraphQL queries, and distinguishes a refusal from what this server cannot do."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from graphql import (
    GraphQLError,
    GraphQLSyntaxError,
    build_schema,
    execute_sync,
    get_operation_ast,
    parse,
    validate,
)

# Imported for the fields that they answer.
from wandb_loopback.artifacts import commits, edits, lookups, uploads  # noqa: F401
from wandb_loopback.errors import RefusalError
from wandb_loopback.graphql.fields import resolve
from wandb_loopback.runs import history, run_files  # noqa: F401
from wandb_loopback.store.store import Store

SCHEMA = build_schema(Path(__file__).with_name("schema.graphql").read_text())


@dataclass(frozen=True)
class Answer:
    """The answer to a query.

    Args:
        body: What the client gets.
        status: The HTTP status that goes with it.
        gaps: What the query asked for and this server lacks.
    """

    body: dict[str, Any]
    status: int = 200
    gaps: list[str] = field(default_factory=list)


def operation_name(request: dict[str, Any]) -> str:
    """What the client calls a query, for the journal and for faults."""
    try:
        operation = get_operation_ast(parse(request["query"]), request.get("operationName") or None)
    except GraphQLSyntaxError:
        return "(unreadable)"
    return operation.name.value if operation and operation.name else "(unnamed)"


def answer(store: Store, request: dict[str, Any]) -> Answer:
    """Answer a query, completely or not at all: an error undoes what it has changed."""
    try:
        with store.transaction():
            return Answer({"data": _execute(store, request)})
    except _FailedError as failed:
        return _failure(operation_name(request), failed.errors)


class _FailedError(Exception):
    def __init__(self, errors: list[GraphQLError]) -> None:
        super().__init__(errors)
        self.errors = errors


def _execute(store: Store, request: dict[str, Any]) -> dict[str, Any] | None:
    try:
        document = parse(request["query"])
    except GraphQLSyntaxError as error:
        raise _FailedError([error]) from error
    if errors := validate(SCHEMA, document):
        raise _FailedError(errors)
    result = execute_sync(
        SCHEMA,
        document,
        root_value=store,
        variable_values=request.get("variables"),
        operation_name=request.get("operationName") or None,
        field_resolver=resolve,
        type_resolver=lambda value, *_: type(value).__name__,
    )
    if result.errors:
        raise _FailedError(result.errors)
    return result.data


def _failure(operation: str, errors: list[GraphQLError]) -> Answer:
    """An error that is not a refusal is a gap: an unknown field, or a mistake in this server."""
    refusals = [e.original_error for e in errors if isinstance(e.original_error, RefusalError)]
    others = [error for error in errors if not isinstance(error.original_error, RefusalError)]
    status = 400 if others else refusals[0].status
    body = {"data": None, "errors": [{"message": error.message} for error in errors]}
    return Answer(body, status, [f"{operation}: {error.message}" for error in others])
