"""Probabilities from what a classifier puts out."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from wk_eval.data.structures import describe

Floats = npt.NDArray[np.float64]

# How far from 0, from 1 or from a sum of 1 the rounding of half precision can take a probability.
_TOLERANCE: Final = 0.02


@dataclass(frozen=True)
class Scores:
    """Turns outputs into a probability for each class.

    Attributes:
        classes: How many classes there are.
        from_logits: Whether the outputs are logits.
        independent: Whether each class has a probability by itself, instead of all making up 1.
        binary: Whether the one output tells the second of two classes from the first.
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
        """Finds out what outputs mean.

        Args:
            model: The model, whose loss tells of logits.
            outputs: What it puts out for a batch of examples.
            output: Which of several outputs they are.
            from_logits: What the user says of logits, if anything.
            independent: Whether an example can be of several classes.

        Raises:
            ValueError: If the outputs do not have a score for each class.
        """
        if not isinstance(outputs, np.ndarray) or outputs.ndim < 2 or outputs.dtype.kind != "f":
            raise ValueError(
                "The model must put out a score for each class, shape (n, classes), or a single "
                f"one for two, shape (n, 1). Received: outputs={describe(outputs)}; which of "
                "several is meant, say with `output`"
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
        values = values[np.isfinite(values).all(axis=-1)]  # a model that has diverged has none
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
    """Returns the loss that a model was compiled with, that of one of several outputs."""
    loss = getattr(model, "loss", None)
    if isinstance(loss, dict):
        return loss.get(output)
    if isinstance(loss, (list, tuple)):
        names = list(getattr(model, "output_names", None) or [])
        position = names.index(output) if output in names else output
        return loss[position] if isinstance(position, int) else loss[0] if loss else None
    return loss


def _softmax(logits: Floats) -> Floats:
    with np.errstate(invalid="ignore"):  # infinite logits have no shares, which NaN says
        powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    shares: Floats = powers / powers.sum(axis=-1, keepdims=True)
    return shares
