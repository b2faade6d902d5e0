"""What adds entries to an epoch's row."""

from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

RowFactory: TypeAlias = Callable[[], dict[str, Any]]
"""Makes entries of a row; called once, in a background thread."""


class RowSource(Protocol):
    """Looks at the model when an epoch ends, and adds entries to the epoch's row.

    Derive from it if nothing is left to log at the end of training.
    """

    def begin(self, model: Any) -> None:
        """Prepares for a `fit` of a model.

        Raises:
            ValueError: If the model or the data do not fit.
        """

    def take(self, epoch: int) -> RowFactory:
        """Takes from the model what training is about to change.

        Args:
            epoch: The epoch that has ended, from 0.

        Returns:
            Makes the entries in the background; makes none if nothing is due.
        """

    def end(self) -> RowFactory | None:
        """Takes what remains to be logged when a `fit` ends.

        Returns:
            Makes another row in the background; None if nothing is left.
        """
        return None
