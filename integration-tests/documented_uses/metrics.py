"""The documented uses of wk-metrics."""

from typing import Any

import numpy as np
import wandb

from documented_uses.recorder import Recorder
from documented_uses.training import (
    BATCH_SIZE,
    VALIDATION,
    X,
    Y,
    fit,
    linear_model,
    sgd,
    with_weights,
)
from documented_uses.use import use
from wk_checkpoint import WandbModelCheckpoint
from wk_core import set_process
from wk_core.compat.keras.flavour import LEGACY, backend, keras
from wk_metrics import (
    WandbDivergenceGuard,
    WandbGradientLogger,
    WandbMetricsLogger,
    WandbWeightLogger,
)

_ONE_BATCH_AT_A_TIME = (
    "Keras takes no `steps_per_execution` on PyTorch" if backend() == "torch" else ""
)
_EPOCHS_WITH_A_WAIT = 2 if backend() == "torch" else 0
_NO_MULTI_OPTIMIZER = (
    "" if hasattr(keras.optimizers, "MultiOptimizer") else "Keras 3.15 has `MultiOptimizer`"
)


def _decay() -> Any:
    return keras.optimizers.schedules.ExponentialDecay(0.1, decay_steps=2, decay_rate=0.5)


@use()
def epochs(record: Recorder) -> None:
    """Logs each epoch, with validation."""
    with record.run():
        fit(linear_model(), [WandbMetricsLogger()], validation_data=VALIDATION)


@use()
def batches(record: Recorder) -> None:
    """Logs each batch, and each epoch."""
    with record.run():
        fit(linear_model(), [WandbMetricsLogger(log_freq="batch")])


@use()
def every_third_batch(record: Recorder) -> None:
    """Logs the batches 0, 3, 6 of two epochs of four."""
    with record.run():
        fit(linear_model(), [WandbMetricsLogger(log_freq=3)])


@use()
def second_fit_and_evaluate(record: Recorder) -> None:
    """Goes on counting in a second `fit`, then logs an `evaluate`."""
    with record.run():
        model, logger = linear_model(), WandbMetricsLogger("batch")
        fit(model, [logger])
        fit(model, [logger], epochs=1)
        model.evaluate(*VALIDATION, verbose=0, callbacks=[logger])


@use(missing=_ONE_BATCH_AT_A_TIME)
def several_steps_per_execution(record: Recorder) -> None:
    """Logs the true numbers and rates of the batches at which Keras calls callbacks."""
    with record.run():
        model = linear_model(sgd(_decay()), steps_per_execution=3)
        fit(model, [WandbMetricsLogger("batch")], validation_data=VALIDATION)


@use()
def resumed_with_a_global_step(record: Recorder) -> None:
    """Goes on with a schedule whose optimizer was not restored."""
    with record.run():
        logger = WandbMetricsLogger("batch", initial_global_step=8)
        fit(linear_model(sgd(_decay())), [logger], initial_epoch=2, epochs=3)


@use()
def schedule(record: Recorder) -> None:
    """Logs the rate of a schedule that each batch used."""
    with record.run():
        fit(linear_model(sgd(_decay())), [WandbMetricsLogger("batch")])


@use()
def rates_that_callbacks_set(record: Recorder) -> None:
    """Logs the rates that epochs used, which callbacks change at their begin and their end."""
    with record.run() as run:
        logger = WandbMetricsLogger(run=run)
        scheduler = keras.callbacks.LearningRateScheduler(lambda epoch: 0.1 / (epoch + 1))
        fit(linear_model(), [scheduler, logger], epochs=3)
    with record.run("plateau") as run:
        plateau = keras.callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=9)
        fit(linear_model(), [plateau, WandbMetricsLogger(2, run=run)], epochs=4)


@use(missing=_NO_MULTI_OPTIMIZER)
def several_optimizers(record: Recorder) -> None:
    """Logs the rate of each part of a `MultiOptimizer`."""
    with record.run():
        first, second = sgd(0.1, name="first"), sgd(0.01, name="second")
        parts = keras.optimizers.OptimizerMap(first)
        parts[".*bias"] = second
        both = keras.optimizers.MultiOptimizer(parts)
        fit(linear_model(both), [WandbMetricsLogger("batch")], epochs=1)


@use()
def throughput(record: Recorder) -> None:
    """Logs the speed of training; how long it waited for data is known on PyTorch only."""
    with record.run():
        fit(linear_model(), [WandbMetricsLogger(throughput=True)])
    waits = record.written("run").column("epoch/data_wait_share")
    record.note("the wait for data is logged where it is known", len(waits) == _EPOCHS_WITH_A_WAIT)


@use()
def own_process(record: Recorder) -> None:
    """Logs the speed of the second of two processes, which logs nothing else."""
    set_process(1, 2)
    try:
        with record.run():
            fit(linear_model(), [WandbMetricsLogger(report_from="all")])
        with record.run("silent"):
            fit(linear_model(), [WandbMetricsLogger()])
    finally:
        set_process(None)


@use()
def model_info(record: Recorder) -> None:
    """Describes the model in the run's config and summary."""
    with record.run():
        fit(linear_model(), [WandbMetricsLogger(log_model_info=True)], epochs=1)


@use()
def gradients(record: Recorder) -> None:
    """Logs histograms and norms of the gradients of data every second epoch."""
    with record.run() as run:
        logger = WandbGradientLogger((X, Y), every=2, batch_size=len(X), run=run)
        fit(linear_model(), [logger], epochs=4)


@use()
def gradients_of_steps(record: Recorder) -> None:
    """Logs the norms of each step's gradients, and the histograms of some, with other rows."""
    with record.run():
        callbacks = [WandbMetricsLogger(), WandbGradientLogger(norms_every=1)]
        fit(linear_model(), callbacks)


@use()
def gradients_of_batches(record: Recorder) -> None:
    """Logs the batches 0, 3, 6 of two epochs of four, of which 0 and 6 are looked at in full."""
    with record.run():
        logger = WandbGradientLogger(log_freq=3, full_every=6, norms_every=1)
        fit(linear_model(), [logger])


@use(missing="Keras 2 accumulates no gradients" if LEGACY else "")
def accumulated_gradients(record: Recorder) -> None:
    """Logs the mean gradients of the updates after batches 1, 3, 5 and 7, of which two are full."""
    with record.run():
        logger = WandbGradientLogger(log_freq="batch", full_every=4, accumulated=True)
        fit(linear_model(sgd(0.1, gradient_accumulation_steps=2)), [logger])


@use()
def weights(record: Recorder) -> None:
    """Logs histograms of the weights of layers with two weights and with more."""
    with record.run():
        model = keras.Sequential(
            [
                keras.Input((3,)),
                keras.layers.BatchNormalization(name="normalization"),
                keras.layers.Dense(1, name="dense"),
            ]
        )
        model.compile(sgd(0.1), "mse")
        with_weights(model.layers[-1])
        fit(model, [WandbWeightLogger()])


def _fit_with_a_missing_label(model: Any, callbacks: list[Any]) -> None:
    """Trains for two epochs, with a target that is NaN in the third of four batches."""
    y = Y.copy()
    y[2 * BATCH_SIZE] = np.nan
    sizes = {"batch_size": BATCH_SIZE, "epochs": 2}
    model.fit(X, y, shuffle=False, verbose=0, callbacks=callbacks, **sizes)


@use()
def divergence(record: Recorder) -> None:
    """Names where a training diverges, sends an alert and stops it."""
    with record.run() as run:
        guard = WandbDivergenceGuard(action="stop", alert=True, norms_every=1, run=run)
        _fit_with_a_missing_label(linear_model(), [guard])


@use()
def rollback(record: Recorder) -> None:
    """Puts the model back once, with a lower rate; the second time training stops."""
    with record.run():
        checkpoint = WandbModelCheckpoint("model.keras", "loss", save_freq=2)
        guard = WandbDivergenceGuard(
            action="rollback", max_rollbacks=1, rate_factor=0.5, norms_every=1
        )
        model = linear_model()
        _fit_with_a_missing_label(model, [checkpoint, guard])
    record.note("rate", float(np.asarray(model.optimizer.learning_rate)))


class _WeightNorm(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Logs to the row of the epoch."""

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        norm = np.linalg.norm(self.model.layers[-1].get_weights()[0])
        wandb.log({"weight_norm": float(norm)}, step=epoch)


class _BatchNumber(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Logs to the row of the batch."""

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
        wandb.log({"batch/my_value": float(batch)}, commit=False)


@use()
def rows_of_ones_own(record: Recorder) -> None:
    """Adds values of the user's to the rows of epochs and of batches."""
    with record.run("epochs"):
        fit(linear_model(), [WandbMetricsLogger(), WandbWeightLogger(), _WeightNorm()])
    with record.run("batches"):
        fit(linear_model(), [_BatchNumber(), WandbMetricsLogger("batch")], epochs=1)


@use()
def disabled(record: Recorder) -> None:
    """Logs nothing to a disabled run, and trains the same."""
    model = linear_model()
    with record.run(mode="disabled"):
        loggers = [WandbMetricsLogger("batch"), WandbWeightLogger(), WandbGradientLogger((X, Y))]
        fit(model, loggers)
    record.weights("weights", model)
