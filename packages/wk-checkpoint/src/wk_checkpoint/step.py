"""When in a training a checkpoint is taken, and what it is called for that."""

import math
import string
from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Moment", "check_template", "placeholders"]


@dataclass(frozen=True)
class Moment:
    """A moment in a training; all numbers count from 0.

    Keras numbers the epochs of each `fit` from its `initial_epoch` on. A run goes on with its
    numbers in the next `fit`, and so does the training of a model.

    Attributes:
        epoch: The number of the epoch in the run.
        batch: The number of the batch that has just ended, None at the end of the epoch.
        global_step: How many batches the model has been trained on; None where nobody counts.
        logs: What Keras reported: metrics by name.
        epoch_of_fit: The epoch's number as Keras calls it; None: the same as in the run.
        epoch_of_model: The epoch's number in the training of this model; None: the same.
    """

    epoch: int
    batch: int | None
    global_step: int | None
    logs: Mapping[str, float] = field(default_factory=dict)
    epoch_of_fit: int | None = None
    epoch_of_model: int | None = None

    @property
    def alias(self) -> str:
        """The artifact alias of this moment."""
        at_batch = "" if self.batch is None else f"_batch_{self.batch}"
        return f"epoch_{self.epoch}{at_batch}"

    @property
    def next_epoch_of_model(self) -> int:
        """The number of the epoch to go on with, in the training of this model."""
        epoch = self.epoch if self.epoch_of_model is None else self.epoch_of_model
        return epoch + (self.batch is None)

    def fill(self, template: str, *, anyway: bool = False) -> str:
        """Returns a path with its placeholders filled in, epoch and batch as Keras does, from 1.

        Args:
            template: The path.
            anyway: Whether metrics that are not known become `nan`.

        Raises:
            KeyError: If a placeholder is the name of no metric.
        """
        epoch = self.epoch if self.epoch_of_fit is None else self.epoch_of_fit
        numbers = {"epoch": epoch + 1}
        if self.batch is not None:
            numbers["batch"] = self.batch + 1
        if anyway:
            return template.format_map(_Known({**numbers, **self.logs}, default=math.nan))
        try:
            return template.format(**{**numbers, **self.logs})
        except KeyError as error:
            known = ", ".join([*numbers, *(name for name in self.logs if name not in numbers)])
            raise KeyError(
                f"filepath={template!r} has a placeholder {error} that is not known when the "
                f"checkpoint is taken. Known are: {known}."
            ) from error


def placeholders(template: str) -> set[str]:
    """Returns the names of the placeholders in a path."""
    return {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}


def check_template(template: str) -> None:
    """Fills the placeholders of a path in, as if every metric was known.

    Raises:
        Exception: Why that can never be done.
    """
    template.format_map(_Known({"epoch": 1, "batch": 1}, default=1.0))


class _Known(dict[str, float]):
    """A dictionary that knows every name."""

    def __init__(self, numbers: Mapping[str, float], *, default: float) -> None:
        super().__init__(numbers)
        self._default = default

    def __missing__(self, name: str) -> float:
        return self._default
