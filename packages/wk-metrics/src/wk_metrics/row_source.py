"""What the parts of `WandbCallback` have in common."""

from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

RowFactory: TypeAlias = Callable[[], dict[str, Any]]
"""Makes a part of an epoch's row; called in the background thread, once."""


class RowSource(Protocol):
    """Something that is looked at when an epoch ends, and adds to the epoch's row.

    A part that takes this as its base class need not say that there is nothing to do at the end.
    """

    def begin(self, model: Any) -> None:
        """Prepares for a `fit` of a model.

        Raises:
            ValueError: If the model or the data are not what this part can look at.
        """

    def take(self, epoch: int) -> RowFactory:
        """Takes what has to be taken from the model before training goes on.

        Args:
            epoch: The epoch that has ended, from 0.

        Returns:
            What makes the row's entries of it, in the background; an empty row where nothing is
            due.
        """

    def end(self) -> RowFactory | None:
        """Takes what is left to be taken when a `fit` has come to its end.

        Returns:
            What makes a row of its own of it, in the background; None where nothing is left.
        """
        return None
