"""What follows on a divergence: it is said, and training stops or goes back."""

from dataclasses import dataclass
from typing import Any, Literal

import wandb

from wk_core.async_logger import AsyncLogger
from wk_core.compat.keras.optimizers import (
    find_optimizers,
    learning_rate_setting,
    parts_of,
    unwrap_optimizer,
)
from wk_core.compat.keras.training import read_scalar, sync_state
from wk_core.state.rollback import RestoredCheckpoint, RollbackError, RollbackSource
from wk_metrics.divergence.finding import Finding

Action = Literal["report", "stop", "rollback"]


@dataclass(frozen=True)
class GuardSettings:
    """What a guard does.

    Attributes:
        action: What it does to the training.
        alert: Whether it sends an alert.
        max_rollbacks: How often it puts the model back in one `fit`.
        rate_factor: By what it multiplies the learning rate each time.
        norms_every: The number of steps from one that is looked at to the next; None for as few as
            cost little.
    """

    action: Action
    alert: bool
    max_rollbacks: int
    rate_factor: float
    norms_every: int | None


class Response:
    """Answers to the divergences of one `fit`.

    Args:
        run: The run.
        settings: What the guard does.
        model: The model.
        source: What puts the model back; None if nothing does.
        name: The callback's class, for messages.

    Raises:
        ValueError: If the learning rate is to be multiplied, and it is none that can be set.
    """

    def __init__(
        self,
        run: wandb.Run,
        settings: GuardSettings,
        model: Any,
        source: RollbackSource | None,
        name: str,
    ) -> None:
        self._run = run
        self._settings = settings
        self._model = model
        self._source = source
        self._name = name
        self._rollbacks = 0
        self._skipped = 0  # batches that the model, being put back, has not been trained on
        self._rows = AsyncLogger(run, name)
        if source is not None and settings.rate_factor != 1.0:
            _rates(model)

    def answer(self, finding: Finding, next_batch: int) -> bool:
        """Says what was found, and acts; returns whether training goes on from a checkpoint.

        Args:
            finding: What was found.
            next_batch: The number of the batch to come.
        """
        text = finding.describe()
        self._rows.flush()  # the row of an earlier rollback would replace the summary
        self._run.summary.update(finding.summary())
        wandb.termwarn(f"{self._name}: {text}")
        if self._settings.alert:
            self._run.alert("Training diverges", text, level="ERROR")
        if self._source is not None and self._put_back(finding, next_batch, self._source):
            return True
        if self._settings.action != "report":
            self._model.stop_training = True
        return False

    def close(self) -> None:
        """Waits until everything is logged."""
        self._rows.close()

    def _put_back(self, finding: Finding, next_batch: int, source: RollbackSource) -> bool:
        if self._rollbacks == self._settings.max_rollbacks:
            wandb.termwarn(f"{self._name} stops training: it was put back {self._rollbacks} times.")
            return False
        sync_state(self._model)
        rates = _rates(self._model) if self._settings.rate_factor != 1.0 else []
        values = [float(read_scalar(rate)) for rate in rates]
        try:
            restored = source.roll_back()
        except RollbackError as error:
            self._say_stop(str(error))
            return False
        trained = restored.global_step
        if trained is not None and trained + self._skipped > finding.step:
            name, step = restored.name, finding.step
            self._say_stop(f"the last good checkpoint, {name!r}, was saved after batch {step}.")
            return False
        values = [value * self._settings.rate_factor for value in values]
        for rate, value in zip(rates, values, strict=True):
            rate.assign(value)
        self._rollbacks += 1
        self._skipped = 0 if trained is None else next_batch - trained
        self._log(finding, restored, values)
        return True

    def _say_stop(self, reason: str) -> None:
        wandb.termwarn(f"{self._name} stops training, since it cannot be put back: {reason}")

    def _log(self, finding: Finding, restored: RestoredCheckpoint, rates: list[float]) -> None:
        row = {
            **finding.summary(),
            "divergence/rollbacks": self._rollbacks,
            "divergence/restored": restored.name,
        }
        if rates:
            row["divergence/learning_rate"] = rates[0]
        self._rows.log(lambda: row)
        now = f", with a learning rate of {rates[0]:.3g}" if rates else ""
        wandb.termlog(f"{self._name}: training goes on from checkpoint {restored.name!r}{now}.")


def _rates(model: Any) -> list[Any]:
    """Returns the learning rates of a model's optimizers, as variables.

    Raises:
        ValueError: If one is computed, by a schedule or a function.
    """
    found = find_optimizers(model).values()
    optimizers = [each for one in found for each in parts_of(one) or [unwrap_optimizer(one)]]
    rates = [learning_rate_setting(each) for each in optimizers]
    for rate in rates:
        if not hasattr(rate, "assign"):
            raise ValueError(
                "WandbDivergenceGuard multiplies the learning rate at each rollback, but this one "
                "is computed by a schedule: pass `rate_factor=1` to keep it. Received: "
                f"learning_rate={rate!r}"
            )
    return rates
