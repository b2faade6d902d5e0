"""When in a training a checkpoint is taken, and what it is called for that."""

import string
from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Moment", "placeholders"]


@dataclass(frozen=True)
class Moment:
    """A moment in a training, in the 0-based numbers with which Keras calls the hooks.

    Attributes:
        epoch: The number of the epoch.
        batch: The number of the batch that has just ended, None at the end of the epoch.
        global_step: How many batches the model has been trained on; None where nobody counts.
        logs: What Keras reported: metrics by name.
    """

    epoch: int
    batch: int | None
    global_step: int | None
    logs: Mapping[str, float] = field(default_factory=dict)

    @property
    def alias(self) -> str:
        """The artifact alias of this moment."""
        at_batch = "" if self.batch is None else f"_batch_{self.batch}"
        return f"epoch_{self.epoch}{at_batch}"

    def fill(self, template: str) -> str:
        """Returns a path with its placeholders filled in, epoch and batch counted from 1.

        Raises:
            KeyError: If a placeholder is the name of no metric.
        """
        numbers = {"epoch": self.epoch + 1}
        if self.batch is not None:
            numbers["batch"] = self.batch + 1
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
