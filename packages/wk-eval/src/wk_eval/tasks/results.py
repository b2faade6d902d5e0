"""What one evaluation found, as the ready-made ones report it."""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt


class Results(Protocol):
    """Collects the predictions of one epoch and says what they amount to.

    All of it is called in the background thread, where pictures and charts take nobody's time.
    """

    def add_batch(self, start: int, outputs: Any) -> None:
        """Takes what the model put out for the examples from number `start` on."""

    def worst_first(self) -> npt.NDArray[np.intp]:
        """Returns the numbers of the examples, those that the model did worst at first."""

    def cells(self, number: int) -> list[Any]:
        """Returns the cells that tell how the model did at an example."""

    def caption(self, number: int) -> list[str]:
        """Returns short lines that tell how the model did at an example."""

    def tracked_values(self) -> list[Any]:
        """Returns the one value of each example that is followed over the epochs."""

    def report(self) -> Mapping[str, Any]:
        """Returns the numbers, charts and pictures that go to the run, by key."""
