"""The callback that logs what Keras measures."""

import weakref
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import wandb

from wk_core.axes import define_axis
from wk_core.callbacks import after_all, before_all, calling_list, is_in_fit, leave_to_keras
from wk_core.copying import WithoutItsRun
from wk_core.keras import keras, samples_seen, steps_per_execution
from wk_core.optimizers import batches_trained, counting_optimizer
from wk_core.process import this_process
from wk_core.run import resolve_run
from wk_core.strategy import workers_strategy
from wk_metrics.arguments import checked_report_from, checked_start
from wk_metrics.batch_logger import BatchLogger
from wk_metrics.batches import Frequency, LogFreq
from wk_metrics.global_step import global_step_of
from wk_metrics.learning_rate.tracker import LearningRates
from wk_metrics.model.info import log_model_info as _log_model_info
from wk_metrics.row_writer import RowWriter
from wk_metrics.throughput import Throughput


class WandbMetricsLogger(WithoutItsRun, keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Logs the metrics and the learning rate of a training to W&B.

    Every epoch it logs what Keras reports at the epoch's end under `epoch/`, with the x axis
    `epoch/epoch`; with a batch frequency, what Keras reports at a batch's end under `batch/`, with
    the x axis `batch/batch_step`, too. `model.evaluate(callbacks=[...])` outside `fit` is logged
    under `test/`. The system metrics come with the run.

    `batch/batch_step` is the 0-based number of the batch in the whole training, and `epoch/epoch`
    that of the epoch: both go on in a second `fit` of the same run and in a resumed one. The
    learning rate of a row is the one that its batch used, of an epoch's row its last batch:
    `learning_rate`, or `learning_rate/<name>` for each of several optimizers.

    Epochs are logged without a batch hook, so that Keras goes on dispatching its callbacks
    asynchronously. Batches are logged by a background thread, in order. When it falls behind,
    training waits; when `fit` raises or is interrupted, what is on its way is logged before the
    run finishes.

    Args:
        log_freq: `"epoch"`; `"batch"`; or a whole number N, for the batches 0, N, 2N … of the
            training. Defaults to `"epoch"`.
        initial_global_step: The number of batches trained before the first `fit`. Defaults to
            None: worked out from what is known of the run, the optimizer's count, `initial_epoch`
            and the run that is resumed, in this order.
        run: The run to log to. Defaults to the active one.
        throughput: Whether an epoch's row says how fast it was trained, validation and what
            other callbacks do at the epoch's end excluded: `epoch/steps_per_second`,
            `epoch/samples_per_second`, `epoch/mean_step_time` in seconds and, on PyTorch, whose
            trainer lets it be seen, `epoch/data_wait_share`, the share of the time (0 to 1) that
            was spent waiting for data. Defaults to False.
        log_model_info: Whether parameters, optimizer, loss, metrics and layers are put into the
            run's config as `model_info`, and parameter counts and the table of layers into its
            summary as `model/...`, once. Defaults to False.
        report_from: Where a training has several processes, one of them logs all of the above, and
            the others need no run. With `"all"` each of them needs one, and logs how fast it
            trained under `process_<index>/`: the same run in W&B's shared mode
            (`wk_core.process.shared_settings`), or one of the same group. Defaults to `"one"`.

    Raises:
        wandb.Error: If no run is given or active, or if it is finished.
        ValueError: If `log_freq`, `initial_global_step` or `report_from` is not as above.

    Example:
        ```python
        import keras
        import numpy as np
        import wandb
        from wk_metrics import WandbMetricsLogger

        x, y = np.random.rand(64, 4), np.random.rand(64, 1)
        model = keras.Sequential([keras.layers.Dense(1)])
        model.compile(optimizer="adam", loss="mse")

        with wandb.init(mode="offline"):
            model.fit(x, y, epochs=2, verbose=0, callbacks=[WandbMetricsLogger("batch")])
        ```
    """

    # Keras may call the batch hooks from its pool of threads instead of holding up training.
    async_safe = True

    _not_copied: ClassVar[frozenset[str]] = frozenset(
        {"_run", "_throughput", "_rows", "_position", "_rates", "_batches", "_attended"}
    )

    def __init__(
        self,
        log_freq: LogFreq = "epoch",
        initial_global_step: int | None = None,
        *,
        run: wandb.Run | None = None,
        throughput: bool = False,
        log_model_info: bool = False,
        report_from: Literal["one", "all"] = "one",
    ) -> None:
        super().__init__()
        self._frequency = Frequency.parse(log_freq)
        self._given_start = checked_start(initial_global_step)
        self._reports_from_all = checked_report_from(report_from) == "all"
        self._shows_throughput = throughput
        self._measures_throughput = throughput or self._reports_from_all
        self._describes_model = log_model_info
        self._resumed_epoch: int | None = None
        self._evaluating_alone = False
        if self._frequency.every is None and not self._measures_throughput:
            leave_to_keras(self, WandbMetricsLogger, "on_train_batch_begin")
            leave_to_keras(self, WandbMetricsLogger, "on_train_batch_end")
        self._report_to(run)

    def _resolve(self, run: wandb.Run | None) -> wandb.Run:
        return resolve_run(type(self).__name__, run, in_every_process=self._reports_from_all)

    def _bind(self, run: wandb.Run) -> None:
        process = this_process()
        self._run = run
        self._enabled = not run.disabled
        self._writes = process.writes
        self._own_prefix = f"process_{process.index}" if self._reports_from_all else None
        self._follows_batches = self._enabled and (
            self._measures_throughput or self._frequency.every is not None
        )
        self._throughput = Throughput() if self._measures_throughput else None
        self._model_info_is_due = self._describes_model and self._writes
        self._rows = RowWriter(run)
        if self._resumed_epoch is not None:
            self._rows.leave_out_logged()
        self._position = global_step_of(run)
        self._rates: LearningRates | None = None
        self._batches: BatchLogger | None = None
        self._samples: int | None = None
        self._attended: weakref.ref[Any] | None = None
        self._reads_batches = False
        self._trains_by_fit = False
        self._is_located = False
        self._epoch_offset = 0
        self._epoch = self._position.next_epoch or 0
        if self._own_prefix is not None:
            define_axis(run, self._own_prefix, "epoch")
        if self._writes:
            define_axis(run, "epoch", "epoch")
            if self._frequency.every is not None:
                define_axis(run, "batch", "batch_step")

    @property
    def _is_in_fit(self) -> bool:
        return self._rates is not None

    def set_params(self, params: Mapping[str, Any]) -> None:
        """Takes the parameters of the `fit` or the `evaluate` that begins."""
        super().set_params(params)
        # `fit` hands its own callbacks on to its validation, so this is not called for that one.
        self._evaluating_alone = True

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Starts afresh, whatever became of an earlier `fit`."""
        self._evaluating_alone = False
        if not self._enabled:
            return
        self._end_fit()
        self._begin_fit()
        self._attend(calling_list())
        self._log_model_info()

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Completes the last epoch's row; at the first epoch, finds out where training stands."""
        if not self._enabled:
            return
        self._rows.complete()
        self._located_fit(epoch).start_epoch()
        self._epoch = epoch + self._epoch_offset
        self._samples = None
        if self._batches is not None:
            self._batches.start_epoch()
        if self._throughput is not None:
            self._throughput.start_epoch()

    def on_train_batch_begin(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Notes the batch; waits where logging cannot keep up."""
        if self._batches is None:
            return
        self._batches.begin(batch)
        rates = self._rates
        if rates is not None and rates.must_be_read and not self._reads_batches:
            self._attend_batches()
        if self._throughput is not None:
            self._throughput.begin_execution(batch)

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Hands what is due to the background thread; Keras may call it from several threads."""
        if self._batches is None:
            return
        if self._throughput is not None:
            self._throughput.end_execution()
        if self._attended is None:
            self._read_batch(batch)
        self._batches.end(batch, logs or {})

    def on_test_begin(self, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Takes the epoch's number of samples, before validation resets the metrics."""
        if self._throughput is not None and self._rates is not None and not self._evaluating_alone:
            self._samples = self._samples_seen()

    def on_test_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Logs an `evaluate` outside `fit`."""
        if self._evaluating_alone and self._enabled and self._writes:
            self._rows.write("test", logs or {})
        self._evaluating_alone = False

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Logs the epoch."""
        if not self._enabled:
            return
        rates = self._located_fit(epoch, is_over=True)
        number = epoch + self._epoch_offset
        speed = self._end_batches()
        if self._own_prefix is not None:
            self._rows.write(self._own_prefix, {}, {"epoch": number, **speed})
        if self._writes:
            shown = speed if self._shows_throughput else {}
            self._log_epoch(logs or {}, {"epoch": number, **rates.of_epoch(), **shown})
        self._position.next_epoch = self._epoch = number + 1
        self._log_model_info(is_trained=True)

    def _log_epoch(self, logs: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
        if self._batches is not None and self._frequency.every is not None:
            self._batches.write("epoch", logs, facts)
        else:
            self._rows.open("epoch", logs, facts, step=facts["epoch"])

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Waits until everything is logged."""
        self._end_fit()

    def get_training_state(self) -> dict[str, int | None]:
        """Returns what it has to remember of a training that is resumed: the numbers to come."""
        return {
            "next_epoch": self._epoch,
            "next_batch": (
                self._position.next_batch if self._batches is None else self._batches.next_batch
            ),
        }

    def set_training_state(self, state: Mapping[str, Any]) -> None:
        """Goes on with the numbers of a training that is resumed, in the `fit` that comes next.

        What the resumed run has logged already, of batches and epochs that will be trained once
        more, is not logged again.
        """
        self._resumed_epoch = state["next_epoch"]
        self._given_start = state["next_batch"]
        self._rows.leave_out_logged()

    @property
    def _optimizer(self) -> Any:
        """The optimizer whose count is that of the batches."""
        return counting_optimizer(self.model) if self._trains_by_fit else None

    def _trained(self) -> int | None:
        optimizer = self._optimizer
        return None if optimizer is None else batches_trained(optimizer)

    def _begin_fit(self, *, is_over: bool = False) -> LearningRates:
        self._is_located = False
        if self._throughput is not None:
            self._throughput = Throughput()
        self._trains_by_fit = is_in_fit(self.model)
        self._rates = LearningRates(
            self.model,
            batch_wise=self._frequency.every is not None,
            in_fit=self._trains_by_fit,
            afterwards=is_over,
        )
        if self._writes and self._frequency.every is None:
            self._rows.start_keeping()
        return self._rates

    def _attend(self, callbacks: Any) -> None:
        """Sees to it that rates are looked up when no other callback has changed one yet.

        Args:
            callbacks: The list of callbacks of this `fit`, None where there is none.
        """
        known = None if self._attended is None else self._attended()
        if callbacks is None or callbacks is known:
            return
        self._attended = weakref.ref(callbacks)
        self._reads_batches = False
        before_all(callbacks, "on_epoch_begin", self._complete)
        after_all(callbacks, "on_epoch_begin", self._look_again)
        before_all(callbacks, "on_epoch_end", self._read_epoch)
        self._attend_batches()

    def _attend_batches(self) -> None:
        callbacks = None if self._attended is None else self._attended()
        rates = self._rates
        if callbacks is None or rates is None or self._reads_batches:
            return
        if rates.must_be_read if self._frequency.every is not None else rates.may_change:
            self._reads_batches = True
            before_all(callbacks, "on_train_batch_end", self._read_batch)

    def _read_batch(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
        if self._rates is None:
            return
        if self._frequency.every is None:
            self._rates.note_updates()
        elif self._batches is not None and self._rates.must_be_read:
            self._batches.read_rates(batch)

    def _complete(self, *_: Any, **__: Any) -> None:
        """Closes the row of what is over, before other callbacks add to that of what begins."""
        if self._batches is not None and self._frequency.every is not None:
            self._batches.complete()
        elif self._rates is not None:
            self._rows.complete()

    def _look_again(self) -> None:
        if self._rates is not None:
            self._rates.look_again()
            self._attend_batches()

    def _read_epoch(self, *_: Any, **__: Any) -> None:
        if self._batches is not None:
            self._batches.look_behind()
        if self._rates is not None:
            self._rates.read_epoch()
        if self._batches is not None:
            self._complete()

    def _located_fit(self, epoch: int, *, is_over: bool = False) -> LearningRates:
        """Sees to it that a `fit` has begun, by whatever hook, and that its place is known.

        Args:
            epoch: The number of the epoch in this `fit`, as Keras counts.
            is_over: Whether it has ended: a loop of the user's may not have said that it began.
        """
        rates = self._rates or self._begin_fit(is_over=is_over)
        if not self._is_located:
            self._is_located = True
            self._epoch_offset = self._position.start_epochs(
                self._run, epoch, resumed_at=self._resumed_epoch
            )
            self._resumed_epoch = None
            if self._follows_batches:
                self._batches = self._begin_batches(epoch, rates)
        return rates

    def _begin_batches(self, initial_epoch: int, rates: LearningRates) -> BatchLogger:
        steps_per_epoch = (self.params or {}).get("steps")
        first_batch = self._position.start_batches(
            self._run,
            self._optimizer,
            initial_epoch=initial_epoch,
            steps_per_epoch=steps_per_epoch,
            given=self._given_start,
        )
        self._given_start = None
        return BatchLogger(
            self._run,
            self._rows,
            self._frequency if self._writes else Frequency(None),
            rates,
            count=self._trained,
            first_batch=first_batch,
            steps_per_epoch=steps_per_epoch,
            steps_per_execution=steps_per_execution(self.model),
        )

    def _end_batches(self) -> dict[str, float]:
        """Ends the epoch's batches; returns what an epoch's row has to say of them."""
        if self._batches is None:
            return {}
        count = self._batches.end_epoch()
        self._position.remember(self._optimizer, self._batches.next_batch)
        if self._throughput is None:
            return {}
        samples = self._samples_seen() if self._samples is None else self._samples
        return self._throughput.metrics(count, samples)

    def _samples_seen(self) -> int:
        # Several TensorFlow workers count their own, and only all together know the sum.
        return samples_seen(self.model) if workers_strategy(self.model) is None else 0

    def _end_fit(self) -> None:
        """Completes and lets go of what belongs to one `fit`."""
        rates, self._rates = self._rates, None
        batches, self._batches = self._batches, None
        try:
            if batches is not None:
                batches.close()
        finally:
            if rates is not None:
                rates.close()
                self._rows.complete()
                self._rows.stop_keeping()

    def _log_model_info(self, *, is_trained: bool = False) -> None:
        # Some models train and never count as built, as those that no `call` has.
        if self._model_info_is_due and (self.model.built or is_trained):
            self._model_info_is_due = False
            _log_model_info(self._run, self.model)
