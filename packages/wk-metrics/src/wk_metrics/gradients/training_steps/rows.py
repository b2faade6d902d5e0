"""Which row of the statistics belongs to which weight of an optimizer."""

from collections.abc import Sequence
from typing import Any, NamedTuple


class Given(NamedTuple):
    """The weights that one update has gradients for.

    Attributes:
        rows: Their rows.
        gradients: Their gradients.
        weights: The weights.
    """

    rows: list[int]
    gradients: list[Any]
    weights: list[Any]


class WeightRows:
    """The rows of an optimizer's weights.

    Args:
        weights: The weights that the optimizer updates.
    """

    def __init__(self, weights: Sequence[Any]) -> None:
        self.weights = list(weights)
        self._rows = {id(weight): row for row, weight in enumerate(self.weights)}

    def given(self, gradients: Sequence[Any], weights: Sequence[Any]) -> Given:
        """Returns the weights with a gradient, which some layers' weights may lack in some steps.

        What Keras stores as it comes, as the scales of quantized layers, is no gradient.
        """
        found = Given([], [], [])
        for gradient, weight in zip(gradients, weights, strict=True):
            row = self._rows.get(id(weight))
            is_stored = getattr(weight, "overwrite_with_gradient", False)
            if gradient is None or row is None or is_stored or 0 in weight.shape:
                continue
            found.rows.append(row)
            found.gradients.append(gradient)
            found.weights.append(weight)
        return found
