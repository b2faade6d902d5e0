"""What belongs to a `WandbGradientLogger` of the training's steps and one run."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import wandb

from wk_core.async_logger import AsyncLogger
from wk_core.axes import define_axis
from wk_core.compat.keras.hooks import is_in_fit
from wk_core.distribution import replicas_strategy, workers_strategy
from wk_core.epochs import EpochNumbers
from wk_core.process import this_process
from wk_metrics.batches import Frequency
from wk_metrics.gradients.training_steps.batch_count import BatchCount
from wk_metrics.gradients.training_steps.records import Detail, Record, Updates
from wk_metrics.gradients.training_steps.summary import EpochGradients, Names, batch_entries
from wk_metrics.gradients.training_steps.train_function import WatchedTrainFunction
from wk_metrics.weights.weight_names import layer_names, weight_names

# How many executions are read from the device together.
_BLOCK: Final = 32


@dataclass(frozen=True)
class StepSettings:
    """What is logged of the training's steps.

    Attributes:
        frequency: Which batches have rows.
        full: Which batches are looked at in full, besides the last of each epoch.
        norms_every: The number of steps from one whose norms are taken to the next; None for as
            few as cost little.
        accumulated: Whether an optimizer that accumulates gradients is looked at when it updates
            the weights.
    """

    frequency: Frequency
    full: Frequency
    norms_every: int | None
    accumulated: bool

    @property
    def norms_detail(self) -> Detail:
        """What is taken of most steps."""
        return Detail(accumulated=self.accumulated)

    @property
    def full_detail(self) -> Detail:
        """What is taken of steps that are looked at in full."""
        return Detail(accumulated=self.accumulated, full=True)


class StepSession:
    """Logs the gradients of the steps of trainings.

    Args:
        run: The run.
        settings: What is logged.
        name: The callback's class, for messages.
    """

    def __init__(self, run: wandb.Run, settings: StepSettings, name: str) -> None:
        self._run = run
        self._settings = settings
        self._name = name
        self._epochs = EpochNumbers(run, "epoch/epoch")
        self._has_said = False
        self._fit: _Fit | None = None
        if not run.disabled:
            define_axis(run, "epoch", "epoch")
            run.define_metric("epoch_gradients/*", step_metric="epoch/epoch")
            if settings.frequency.every is not None:
                define_axis(run, "batch", "batch_step")
                run.define_metric("batch_gradients/*", step_metric="batch/batch_step")

    @property
    def is_in_fit(self) -> bool:
        """Whether a `fit` is running."""
        return self._fit is not None

    def begin_fit(self, model: Any, params: Mapping[str, Any] | None) -> None:
        """Begins a `fit`, after ending an earlier one that was interrupted."""
        self.end_fit()
        self._epochs.begin_fit()
        # Each of several processes has to run the same step.
        if self._run.disabled and this_process().count == 1:
            return
        if not is_in_fit(model):
            self._say("its steps are not run by Keras' `fit`")
        elif workers_strategy(model) is not None:
            self._say("several TensorFlow workers train the model")
        elif self._settings.accumulated and replicas_strategy(model) is not None:
            self._say("each of several replicas of the model accumulates gradients of its own")
        else:
            self._fit = _Fit(self._run, self._settings, self._name, model, params, self._say)

    def begin_epoch(self, epoch: int) -> None:
        """Begins an epoch."""
        self._epochs.begin(epoch)
        if self._fit is not None:
            self._fit.begin_epoch(epoch, self._epochs.number(epoch))

    def begin_batch(self, first: int) -> None:
        """Announces the execution that starts with batch `first` of the epoch."""
        if self._fit is not None:
            self._fit.begin_batch(first)

    def end_epoch(self, epoch: int) -> None:
        """Logs the epoch."""
        number = self._epochs.number(epoch)
        self._epochs.end(epoch)
        if self._fit is not None:
            self._fit.end_epoch(number)

    def end_fit(self) -> None:
        """Waits until everything is logged."""
        fit, self._fit = self._fit, None
        if fit is not None:
            fit.end()

    def _say(self, reason: str) -> None:
        if not self._has_said:
            self._has_said = True
            wandb.termwarn(
                f"{self._name} cannot look at the gradients of this training, and logs none: "
                f"{reason}."
            )


class _Fit:
    """Looks at the steps of one `fit`: a `Watcher`."""

    def __init__(
        self,
        run: wandb.Run,
        settings: StepSettings,
        name: str,
        model: Any,
        params: Mapping[str, Any] | None,
        say: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self.details: Sequence[Detail] = (settings.norms_detail, settings.full_detail)
        self._name = name
        self._model = model
        self._say = say
        self._batches = BatchCount(run, model, params)
        self._rows = AsyncLogger(run, name)
        # A norm of all replicas' gradients takes traffic between them.
        self._takes_norms = replicas_strategy(model) is None
        # Processes that train together have to take the same steps, and an optimizer that
        # accumulates gradients updates the weights in few steps, known only when they are taken.
        takes_each = this_process().count > 1 or settings.accumulated
        self._every = 1 if takes_each else settings.norms_every
        self._knows_pace = False
        self._epoch = (0, 0)
        self._waiting: list[Record] = []
        self._full_is_due = False
        self._row_is_due = False
        self._last: Record | None = None
        self._names: dict[str, Names] = {}
        self._summaries: dict[str, EpochGradients] = {}
        self._function = WatchedTrainFunction.of(model, self._every)
        self._function.add(self)

    def begin_epoch(self, epoch: int, number: int) -> None:
        """Begins an epoch."""
        self._epoch = epoch, number
        self._full_is_due = False

    def begin_batch(self, first: int) -> None:
        """Announces an execution."""
        epoch, number = self._epoch
        self._batches.begin(first, initial_epoch=epoch, number=number)
        self._function.arm(first)

    def wanted(self, first: int) -> Detail | None:
        """Returns what to take in an execution."""
        span = self._batches.span(first)
        self._full_is_due |= self._batches.is_last or self._settings.full.is_due(*span)
        if self._full_is_due and self._ends_with_update(span):
            self._full_is_due = self._settings.accumulated  # until it is seen to be there
            return self._settings.full_detail
        return self._settings.norms_detail if self._takes_norms else None

    def take(self, record: Record) -> None:
        """Takes what is known of an execution; logs its row if it is due."""
        span = self._batches.span(record.first)
        for updates in record.updates:
            self._name_weights(updates)
        self._say_pace()
        if self._settings.accumulated:
            self._last = record
            if self._full_is_due:
                looks = [updates.of_means.has_full_look for updates in record.updates]
                self._full_is_due = not any(looks)
        is_due = self._settings.frequency.is_due(*span)
        if is_due or (self._settings.accumulated and self._settings.frequency.every is not None):
            self._flush()
            self._rows.log(partial(self._row, record, span[1], is_due=is_due))
        else:
            self._waiting.append(record)
            if len(self._waiting) >= _BLOCK:
                self._flush()

    def report_unavailable(self, reason: Exception) -> None:
        """Says that the steps cannot be looked at."""
        self._say(str(reason) or type(reason).__name__)

    def end_epoch(self, number: int) -> None:
        """Logs the epoch."""
        self._flush()
        self._batches.end_epoch()
        self._rows.log(partial(self._epoch_row, number))

    def end(self) -> None:
        """Waits until everything is logged."""
        self._function.remove(self)
        self._rows.close()

    def _flush(self) -> None:
        records, self._waiting = self._waiting, []
        if records:
            self._rows.submit(partial(self._add_all, records))

    def _add_all(self, records: list[Record]) -> None:
        for record in records:
            self._add(record)

    def _updates(self, record: Record) -> Sequence[Updates]:
        """Returns the updates that are logged."""
        if not self._settings.accumulated:
            return record.updates
        return [updates.of_means for updates in record.updates]

    def _ends_with_update(self, span: tuple[int, int]) -> bool:
        """Returns whether the last step of an execution updates the weights, as far as is known."""
        if not self._settings.accumulated:
            return True
        last = self._last.updates if self._last is not None else []
        steps = span[1] - span[0] + 1
        return any(updates.of_means.move_after(steps) for updates in last)

    def _add(self, record: Record) -> None:
        for updates in self._updates(record):
            place = updates.watched.place
            summary = self._summaries.setdefault(place, EpochGradients(self._names[place]))
            summary.add(updates)

    def _row(self, record: Record, last: int, *, is_due: bool) -> dict[str, Any]:
        """Returns the row of a batch that is due; else of the first update after one."""
        self._add(record)
        self._row_is_due |= is_due
        if not self._row_is_due:
            return {}
        row: dict[str, Any] = {}
        for updates in self._updates(record):
            row |= batch_entries(self._names[updates.watched.place], updates)
        if not row:
            return {}
        self._row_is_due = False
        return {"batch/batch_step": last, **row}

    def _epoch_row(self, number: int) -> dict[str, Any]:
        summaries, self._summaries = self._summaries, {}
        row: dict[str, Any] = {}
        for summary in summaries.values():
            row |= summary.entries()
        if not any(summary.steps for summary in summaries.values()):
            self._say("no gradients reach a Keras optimizer in its steps")
        return {"epoch/epoch": number, **row} if row else {}

    def _say_pace(self) -> None:
        pace = self._function.pace
        if not self._knows_pace and pace.every is not None:
            self._knows_pace = True
            if pace.share is not None and pace.every > 1:
                wandb.termlog(
                    f"{self._name} takes norms in one of {pace.every} steps: they cost "
                    f"{pace.share:.0%} of a step. Pass `norms_every=1` for the norms of each step."
                )

    def _name_weights(self, updates: Updates) -> None:
        watched = updates.watched
        if watched.place in self._names:
            return
        names, layers = weight_names(self._model), layer_names(self._model)
        self._names[watched.place] = Names(
            "" if watched.place == "optimizer" else watched.place,
            [names.get(id(weight), weight.name) for weight in watched.weights],
            [layers.get(id(weight)) for weight in watched.weights],
        )
