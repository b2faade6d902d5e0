"""Probabilities from a classifier's outputs."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from wk_core.data.arrays import describe

Floats = npt.NDArray[np.float64]

# The rounding error of half precision, of a probability or of a sum of probabilities.
_TOLERANCE: Final = 0.02


@dataclass(frozen=True)
class Scores:
    """Turns outputs into a probability for each class.

    Attributes:
        classes: The number of classes.
        from_logits: Whether the outputs are logits.
        independent: Whether each class has a probability of its own, instead of a sum of 1.
        binary: Whether the model has one output, the score of the second of two classes.
    """

    classes: int
    from_logits: bool
    independent: bool
    binary: bool

    @classmethod
    def of_model(
        cls,
        model: Any,
        outputs: Any,
        *,
        output: str | int | None,
        from_logits: bool | None,
        independent: bool,
    ) -> "Scores":
        """Returns how to turn a model's outputs into probabilities.

        Args:
            model: The model. Its loss says whether outputs are logits.
            outputs: Its outputs for a batch of examples.
            output: The name or the position of these outputs among several.
            from_logits: Whether outputs are logits; None to ask the loss.
            independent: Whether an example can have several classes.

        Raises:
            ValueError: If the outputs do not have a score for each class.
        """
        if not isinstance(outputs, np.ndarray) or outputs.ndim < 2 or outputs.dtype.kind != "f":
            raise ValueError(
                "The model must return a score for each class, shape (n, classes), or a single "
                f"one for two, shape (n, 1). Received: outputs={describe(outputs)}; choose one "
                "of several with `output`"
            )
        if from_logits is None:
            from_logits = bool(getattr(loss_of(model, output), "from_logits", False))
        binary = outputs.shape[-1] == 1 and not independent
        return cls(2 if binary else outputs.shape[-1], from_logits, independent, binary)

    def __call__(self, outputs: npt.NDArray[Any]) -> Floats:
        """Returns probabilities, shape (…, classes), for outputs, shape (…, classes or 1).

        Raises:
            ValueError: If outputs that should be probabilities are not.
        """
        values = outputs.astype(np.float64)
        if self.from_logits:
            probabilities = (
                1 / (1 + np.exp(-np.clip(values, -700, 700)))
                if self.independent or self.binary
                else _softmax(values)
            )
        else:
            self._check(values)
            probabilities = values
        if self.binary:
            return np.concatenate([1 - probabilities, probabilities], axis=-1)
        return probabilities

    def _check(self, values: Floats) -> None:
        values = values[np.isfinite(values).all(axis=-1)]  # a diverged model has none
        if not values.size:
            return
        low, high, sums = values.min(), values.max(), values.sum(axis=-1)
        fits = low >= -_TOLERANCE and high <= 1 + _TOLERANCE
        if fits and not (self.independent or self.binary):
            fits = bool((np.abs(sums - 1) <= _TOLERANCE).all())
        if not fits:
            raise ValueError(
                "The model's outputs are no probabilities: where they are logits, say "
                "`from_logits=True`; where they do not make up 1, since an example can be of "
                f"several classes, `multi_label=True`. Received: values from {low:.4g} to "
                f"{high:.4g}, sums from {sums.min():.4g} to {sums.max():.4g}"
            )


def loss_of(model: Any, output: str | int | None) -> Any:
    """Returns the compiled loss of a model, or of one of its outputs."""
    loss = getattr(model, "loss", None)
    if isinstance(loss, dict):
        return loss.get(output)
    if isinstance(loss, (list, tuple)):
        names = list(getattr(model, "output_names", None) or [])
        position = names.index(output) if output in names else output
        return loss[position] if isinstance(position, int) else loss[0] if loss else None
    return loss


def _softmax(logits: Floats) -> Floats:
    with np.errstate(invalid="ignore"):  # the shares of infinite logits are NaN
        powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    shares: Floats = powers / powers.sum(axis=-1, keepdims=True)
    return shares
