"""Going back to the last good checkpoint within a `fit`."""

import numpy as np
import pytest

from wk_checkpoint import WandbModelCheckpoint
from wk_core.compat.keras.flavour import backend, keras
from wk_core.state.rollback import RollbackError, find_rollback_source
from wk_testing.diverging import Poisoned, SyncedWitness, is_finite
from wk_testing.resuming import BATCHES, Shuffled, random_model, same, values


@pytest.fixture(autouse=True)
def inside(tmp_path, monkeypatch, offline_run):
    monkeypatch.chdir(tmp_path)
    offline_run()
    return tmp_path


class Guard(keras.callbacks.Callback):
    """Rolls back in a hook if the model is broken; keeps what it went back to, and its values."""

    def __init__(self, hook="on_train_batch_begin"):
        super().__init__()
        self.restored, self.values, self.losses = [], [], []
        setattr(self, hook, self.look)

    def look(self, *_, **__):
        if not is_finite(self.model):
            self.restored.append(find_rollback_source().roll_back())
            self.values.append(values(self.model))

    def on_train_batch_end(self, batch, logs=None):  # noqa: ARG002
        self.losses.append(float(logs["loss"]))


def train(*callbacks, data=None, model=None, epochs=3):
    model = model or random_model()
    data = data or Poisoned(epoch=1, batch=4)
    model.fit(data, epochs=epochs, verbose=0, shuffle=False, callbacks=list(callbacks))
    return model


FORMATS = ["model.keras", "model.weights.h5", "model.h5", "models", "weights"]


@pytest.mark.parametrize("path", FORMATS)
def test_weights_and_optimizer_are_those_of_the_checkpoint(path):
    weights_only = path.startswith("weights") or path.endswith(".weights.h5")
    if path in ("models", "weights") and backend() == "torch":
        pytest.skip("PyTorch's models have no such directory")
    witness, guard = SyncedWitness(), Guard()
    checkpoint = WandbModelCheckpoint(path, "loss", save_freq=3, save_weights_only=weights_only)
    model = train(witness, checkpoint, guard)

    restored = guard.restored[0]
    # Of the 13 batches before the one that is broken, the twelfth was the last to be saved.
    assert (restored.name, restored.epoch, restored.batch) == ("epoch_1_batch_3", 1, 3)
    assert (restored.path, restored.global_step) == (path, 12)
    assert same(guard.values[0], witness.seen[1, 3])
    assert len(guard.restored) == 1
    assert is_finite(model)
    # The broken batch, and the one before it, were trained for nothing.
    assert int(model.optimizer.iterations) == 3 * BATCHES - 1


def test_metrics_go_on_from_the_same_epoch():
    guard = Guard()
    train(WandbModelCheckpoint("model.keras", "loss", save_freq=1), guard)
    assert [number for number, loss in enumerate(guard.losses) if np.isnan(loss)] == [BATCHES + 4]
    healthy = Guard()
    train(healthy, data=Shuffled(), epochs=2)
    assert guard.losses[: BATCHES + 4] == healthy.losses[: BATCHES + 4]
    # The mean of the epoch goes on without the broken batch.
    assert abs(guard.losses[BATCHES + 5] - guard.losses[BATCHES + 3]) < 1


def test_metrics_begin_anew_after_a_checkpoint_of_an_earlier_epoch():
    guard = Guard()
    train(WandbModelCheckpoint("model.keras", "loss"), guard)
    assert guard.restored[0].name == "epoch_0"
    assert np.isfinite(guard.losses[BATCHES + 5 :]).all()


@pytest.mark.parametrize("guard_is_first", [True, False])
def test_at_the_end_of_an_epoch_the_broken_model_is_not_saved(guard_is_first, inside):
    guard = Guard("on_epoch_end")
    checkpoint = WandbModelCheckpoint("{epoch}.keras", "loss")
    callbacks = [guard, checkpoint] if guard_is_first else [checkpoint, guard]
    model = train(*callbacks)
    assert [each.name for each in guard.restored] == ["epoch_0"]
    assert sorted(path.name for path in inside.glob("*.keras")) == ["1.keras", "3.keras"]
    assert int(model.optimizer.iterations) == 2 * BATCHES


def test_the_last_good_one_may_be_long_ago():
    class Worse(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["score"] = float(epoch)

    guard = Guard("on_epoch_end")
    checkpoint = WandbModelCheckpoint("model.keras", "score", save_best_only=True, mode="min")
    train(Worse(), checkpoint, guard, data=Poisoned(epoch=2, batch=4), epochs=4)
    assert [each.name for each in guard.restored] == ["epoch_0"]


def test_version_stands_in_for_a_file_that_is_gone(inside):
    class Remove(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):  # noqa: ARG002
            for path in inside.glob("*.keras"):
                path.unlink()

    guard = Guard()
    model = train(WandbModelCheckpoint("{epoch}.keras", "loss"), Remove(), guard)
    assert [each.name for each in guard.restored] == ["epoch_0"]
    assert is_finite(model)


def test_nothing_to_go_back_to():
    guard = Guard()
    with pytest.raises(RollbackError, match="No finite checkpoint of"):
        train(WandbModelCheckpoint("model.keras", "loss"), guard, data=Poisoned(0, 2))


def test_outside_of_a_fit():
    checkpoint = WandbModelCheckpoint("model.keras", "loss")
    train(checkpoint, data=Shuffled(), epochs=1)
    with pytest.raises(RollbackError, match="by a hook of its `fit` only"):
        checkpoint.roll_back()


def test_callback_without_checkpoints_finds_none():
    class Find(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):  # noqa: ARG002
            self.found = find_rollback_source()

    find = Find()
    train(find, epochs=1)
    assert find.found is None
    assert find_rollback_source() is None
