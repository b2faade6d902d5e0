"""Lists as GraphQL hands them out: in pages, each item wrapped in an edge with a cursor."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any


@dataclass(frozen=True)
class Edge:
    """One item of a page."""

    node: Any
    cursor: str

    @property
    def version(self) -> str:
        """The name of the version, where the item is one of an artifact's."""
        return f"v{self.node.version_index}"


@dataclass(frozen=True)
class PageInfo:
    """Where a page ends, and whether another one follows."""

    end_cursor: str
    has_next_page: bool


@dataclass(frozen=True)
class Connection:
    """A page of a list.

    Args:
        items: The whole list.
        first: The most items that the page may hold. Defaults to all of them.
        after: The cursor behind which the page begins. Defaults to the beginning.
    """

    items: Sequence[Any]
    first: int | None = None
    after: str | None = None

    @cached_property
    def edges(self) -> list[Edge]:
        """The items of this page."""
        begin = int(self.after or 0)
        end = len(self.items) if self.first is None else begin + self.first
        page = self.items[begin:end]
        return [Edge(item, str(number)) for number, item in enumerate(page, start=begin + 1)]

    @property
    def page_info(self) -> PageInfo:
        """Where this page ends."""
        end = self.edges[-1].cursor if self.edges else str(self.after or 0)
        return PageInfo(end, int(end) < len(self.items))

    @property
    def total_count(self) -> int:
        """The length of the whole list."""
        return len(self.items)
