"""The documented uses of `restore`: a training goes on as if it had never been interrupted."""

from collections.abc import Callable
from typing import Any

import numpy as np

from documented_uses.recorder import Recorder
from documented_uses.training import Batches, fit, linear_model, sgd
from documented_uses.use import use
from wk_checkpoint import (
    RestoredCheckpoint,
    RollbackError,
    TrainingState,
    WandbModelCheckpoint,
    restore,
)
from wk_core import KeepsState
from wk_core.compat.keras.flavour import LEGACY, keras, values_of
from wk_metrics import WandbMetricsLogger


class _CountEpochs(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Counts epochs, also those before a training was interrupted."""

    count = 0

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        self.count += 1

    def get_training_state(self) -> dict[str, int]:
        """Returns the state to save in a checkpoint."""
        return {"count": self.count}

    def set_training_state(self, state: Any) -> None:
        """Goes on from a state."""
        self.count = state["count"]


class _Diverge(keras.callbacks.Callback):  # type: ignore[misc]
    """Breaks a model in an epoch, and goes back when it ends."""

    def __init__(self, checkpoint: WandbModelCheckpoint) -> None:
        super().__init__()
        self.restored: RestoredCheckpoint | None = None
        self._checkpoint = checkpoint

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        if epoch == 2:
            self.model.set_weights([weight * np.nan for weight in self.model.get_weights()])

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        if epoch == 2:
            self.restored = self._checkpoint.roll_back()


def _adam() -> Any:
    return keras.optimizers.Adam(0.05)


def _callbacks(path: str, **arguments: Any) -> list[Any]:
    return [WandbMetricsLogger("batch"), WandbModelCheckpoint(path, "loss", **arguments)]


def _with_state(path: str) -> list[Any]:
    plateau = keras.callbacks.ReduceLROnPlateau("loss", patience=1, min_delta=9)
    return [plateau, _CountEpochs(), *_callbacks(path)]


def _whole_training(record: Recorder, callbacks: Callable[[str], list[Any]] = _callbacks) -> Any:
    with record.run("whole", mode="disabled"):
        model = linear_model(_adam())
        model.fit(Batches(), epochs=4, shuffle=False, verbose=0, callbacks=callbacks("whole.keras"))
    return model


def _interrupted_training(
    record: Recorder, callbacks: Callable[[str], list[Any]]
) -> tuple[Any, TrainingState, list[Any]]:
    """Trains two epochs, then two more in a fresh model of the same run."""
    settings: dict[str, Any] = {"shuffle": False, "verbose": 0}
    with record.run():
        begun = linear_model(_adam())
        begun.fit(Batches(), epochs=2, callbacks=callbacks("model.keras"), **settings)
    with record.run(resume="allow"):
        rest, resumed = linear_model(_adam()), callbacks("model.keras")
        state = restore(rest, "latest", callbacks=resumed)
        settings |= {"initial_epoch": state.initial_epoch, "epochs": 4, "callbacks": resumed}
        rest.fit(Batches(), **settings)
    return rest, state, resumed


def _note_end(record: Recorder, whole: Any, rest: Any, state: TrainingState) -> None:
    ends = [values_of([*model.weights, *model.optimizer.variables]) for model in (whole, rest)]
    record.note("ends as the whole one, bit for bit", all(map(np.array_equal, *ends)))
    record.note("went on at", [state.initial_epoch, state.batch, state.global_step])
    record.weights("weights", rest)


@use()
def from_the_end_of_an_epoch(record: Recorder) -> None:
    """Goes on with the same run, with `model.fit`."""
    rest, state, _ = _interrupted_training(record, _callbacks)
    _note_end(record, _whole_training(record), rest, state)


@use(missing="With Keras 2 a checkpoint has the state of its own callback only" if LEGACY else "")
def with_the_state_of_callbacks(record: Recorder) -> None:
    """Goes on with the rate that a callback of Keras' has set, and with a state of one's own."""
    rest, state, callbacks = _interrupted_training(record, _with_state)
    _note_end(record, _whole_training(record, _with_state), rest, state)
    record.note("a callback keeps state", isinstance(callbacks[1], KeepsState))
    record.note("epochs that it counted", callbacks[1].count)


@use()
def from_within_an_epoch(record: Recorder) -> None:
    """Goes on after six batches of four an epoch, with `state.fit`."""
    whole = _whole_training(record)
    settings: dict[str, Any] = {"shuffle": False, "verbose": 0}
    with record.run():
        begun = linear_model(_adam())
        saving = _callbacks("model.keras", save_freq=6)
        begun.fit(Batches(), epochs=2, callbacks=saving, **settings)
    with record.run(resume="allow"):
        rest, callbacks = linear_model(_adam()), _callbacks("model.keras", save_freq=6)
        state = restore(rest, "latest", callbacks=callbacks)
        state.fit(rest, Batches(), epochs=4, callbacks=callbacks, **settings)
    _note_end(record, whole, rest, state)


@use(missing="Keras 2 has no way to it" if LEGACY else "")
def by_itself(record: Recorder) -> None:
    """Goes on after six batches of four an epoch, in one call of `fit`."""
    whole = _whole_training(record)
    settings: dict[str, Any] = {"shuffle": False, "verbose": 0}
    for name, epochs in (("run", 2), ("run", 4)):
        with record.run(name, resume="allow"):
            model = linear_model(_adam())
            saving = WandbModelCheckpoint("model.keras", "loss", save_freq=6, resume="auto")
            callbacks = [WandbMetricsLogger("batch"), saving]
            history = model.fit(Batches(), epochs=epochs, callbacks=callbacks, **settings)
    ends = [values_of([*each.weights, *each.optimizer.variables]) for each in (whole, model)]
    record.note("ends as the whole one, bit for bit", all(map(np.array_equal, *ends)))
    record.note("epochs of the second call", history.epoch)
    record.weights("weights", model)


@use()
def back_to_the_last_good_checkpoint(record: Recorder) -> None:
    """Goes back within a `fit` when the model has diverged, and says where there is no way back."""
    with record.run():
        model, checkpoint = linear_model(_adam()), WandbModelCheckpoint("model.keras", "loss")
        diverge = _Diverge(checkpoint)
        model.fit(Batches(), epochs=4, shuffle=False, verbose=0, callbacks=[diverge, checkpoint])
        record.weights("weights", model)
        assert diverge.restored is not None
        record.note("went back to", vars(diverge.restored))
        try:
            checkpoint.roll_back()
        except RollbackError as error:
            record.note("outside of a training", str(error))


@use()
def by_an_alias(record: Recorder) -> None:
    """Takes the best epoch, and says which aliases there are where one is unknown."""
    with record.run():
        fit(linear_model(sgd(0.02)), [WandbModelCheckpoint("m.keras", "mae", mode="max")])
        for alias in ("best", "epoch_1"):
            model = linear_model()
            state = restore(model, alias)
            record.note(f"next epoch of {alias}", state.initial_epoch)
            record.weights(f"weights of {alias}", model)
        try:
            restore(linear_model(), "epoch_7")
        except FileNotFoundError as error:
            record.note("of an unknown alias", str(error))
