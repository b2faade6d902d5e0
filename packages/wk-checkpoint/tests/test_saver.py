"""Saving while training goes on: what is written, in what order, and whose error it is."""

import threading
import time

import numpy as np
import pytest
import wandb

from wk_checkpoint import CheckpointError, WandbModelCheckpoint, restore
from wk_checkpoint.formats.keras_archive import KerasArchive
from wk_core.compat.keras.flavour import keras
from wk_testing.resuming import Shuffled, Witness, X, Y, random_model, same, values


@pytest.fixture(autouse=True)
def inside(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Gate:
    """Lets the background thread write checkpoints only when told to."""

    def __init__(self, monkeypatch):
        self._open = threading.Event()
        self.reached = threading.Event()
        self.threads = []
        write = KerasArchive.write

        def write_when_open(archive, data, path):
            self.threads.append(threading.current_thread())
            self.reached.set()
            assert self._open.wait(60)
            write(archive, data, path)

        monkeypatch.setattr(KerasArchive, "write", write_when_open)

    def open(self):
        self._open.set()


class Do(keras.callbacks.Callback):
    """Does something at the end of an epoch."""

    def __init__(self, epoch, task):
        super().__init__()
        self.epoch, self.task = epoch, task

    def on_epoch_begin(self, epoch, logs=None):  # noqa: ARG002
        if epoch == self.epoch + 1:
            self.task()


def fit(*callbacks, epochs=1, model=None):
    model = model or random_model()
    model.fit(Shuffled(), epochs=epochs, verbose=0, shuffle=False, callbacks=list(callbacks))
    return model


def test_what_is_written_is_what_was_there_however_late(offline_run, inside, monkeypatch):
    offline_run()
    gate, witness = Gate(monkeypatch), Witness()
    batches = Do(0, lambda: None)
    after_an_epoch_more = Witness()

    class OpenAtTheEnd(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):  # noqa: ARG002
            if self.params["epochs"] == 2 and after_an_epoch_more.seen.keys() == {0} and batch == 6:
                gate.open()  # the model has been trained on further batches by now

    fit(WandbModelCheckpoint("{epoch}.keras"), witness, batches, after_an_epoch_more,
        OpenAtTheEnd(), epochs=2)  # fmt: skip
    assert gate.threads[0] is not threading.main_thread()
    assert not same(witness.seen[0], witness.seen[1])
    for epoch in (0, 1):
        saved = random_model(seed=0)
        restore(saved, inside / f"{epoch + 1}.keras")
        assert same(values(saved), witness.seen[epoch])


def tensors(path):
    """Returns all tensors and the configuration in a `.keras` archive that Keras can load."""
    model = keras.saving.load_model(path)
    return values(model)[: len(model.weights) + len(model.optimizer.variables)], model.get_config()


def test_equal_to_a_synchronous_save(offline_run):
    offline_run()
    waiting = WandbModelCheckpoint("waiting.keras", background=False, artifact="waiting")
    model = fit(WandbModelCheckpoint("background.keras"), waiting)
    model.save("keras.keras")
    expected, config = tensors("keras.keras")
    for path in ("background.keras", "waiting.keras"):
        found, its_config = tensors(path)
        assert len(found) == len(expected) > 20
        assert all(
            a.dtype == b.dtype and same([a], [b]) for a, b in zip(found, expected, strict=True)
        )
        assert its_config == config


def test_configuration_is_that_of_the_moment(offline_run, monkeypatch):
    offline_run()
    gate = Gate(monkeypatch)
    model = random_model()

    def change():
        model.layers[-1].activation = keras.activations.tanh
        gate.open()

    fit(WandbModelCheckpoint("{epoch}.keras"), Do(0, change), model=model, epochs=2)
    first = keras.saving.load_model("1.keras")
    assert first.layers[-1].activation is keras.activations.linear


@pytest.mark.backend_free
def test_one_snapshot_at_a_time(offline_run, inside, monkeypatch):
    offline_run()
    gate = Gate(monkeypatch)
    opener = threading.Timer(0.5, gate.open)
    opener.start()
    fit(WandbModelCheckpoint("{epoch}.keras"), epochs=3)  # the second waits for the first
    assert sorted(path.name for path in inside.glob("*.keras")) == [f"{n}.keras" for n in (1, 2, 3)]


@pytest.mark.backend_free
def test_skip(offline_run, inside, monkeypatch, capsys):
    offline_run()
    gate = Gate(monkeypatch)

    class Losses(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["m"] = [2.0, 3.0, 1.0][epoch]

    opener = Do(1, gate.open)
    checkpoint = WandbModelCheckpoint("{epoch}.keras", "m", 1, mode="min", when_busy="skip")
    fit(Losses(), checkpoint, opener, epochs=3)
    # The second came while the first was being saved, and is not the best; the third is.
    assert sorted(path.name for path in inside.glob("*.keras")) == ["1.keras", "3.keras"]
    assert "epoch_1 skipped" in capsys.readouterr().out


@pytest.mark.backend_free
def test_error_comes_back_and_names_the_checkpoint(offline_run, inside, monkeypatch):
    offline_run()
    fit(WandbModelCheckpoint("model.keras"))
    before = (inside / "model.keras").read_bytes()

    def fail(archive, data, path):  # noqa: ARG001
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(KerasArchive, "write", fail)
    with pytest.raises(CheckpointError, match=r"epoch_1 .*'model.keras'.*No space left") as raised:
        fit(WandbModelCheckpoint("model.keras"), epochs=9)
    assert isinstance(raised.value.cause, OSError)
    assert (inside / "model.keras").read_bytes() == before
    assert [path.name for path in inside.iterdir() if path.name.startswith(".wk")] == []


@pytest.mark.backend_free
@pytest.mark.parametrize("path", ["model.keras", "weights"])
def test_checkpoint_that_cannot_be_kept_for_wandb_is_saved_nevertheless(offline_run, inside, path):
    if path == "weights":
        pytest.importorskip("tensorflow")
    run = offline_run()
    taken = inside / "wandb" / "checkpoints" / run.id
    taken.parent.mkdir(parents=True)
    taken.write_text("where a directory should be")
    model = random_model()
    checkpoint = WandbModelCheckpoint(path, save_weights_only=path == "weights")
    with pytest.raises(CheckpointError, match=r"epoch_0 .*is saved, but could not be logged"):
        fit(checkpoint, model=model)
    again = random_model(seed=0)
    restore(again, inside / path)
    assert same(values(again), values(model))
    assert [one.name for one in inside.iterdir() if one.name.startswith(".wk")] == []


@pytest.mark.parametrize(
    "error", [RuntimeError, pytest.param(KeyboardInterrupt, marks=pytest.mark.backend_free)]
)
def test_fit_that_raises_still_saves(offline_run, read_back, inside, monkeypatch, error):
    run = offline_run()
    gate, witness = Gate(monkeypatch), Witness()

    class Raise(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):  # noqa: ARG002
            if epoch == 1:
                assert gate.reached.wait(60)
                raise error("interrupted")

    with pytest.raises(error, match="interrupted"):
        fit(WandbModelCheckpoint("model.keras"), witness, Raise(), epochs=2)
    assert not (inside / "model.keras").exists()
    gate.open()
    (artifact,) = read_back(run).artifacts  # finishing the run waits for it
    assert set(artifact.aliases) == {"latest", "epoch_0"}
    saved = random_model(seed=0)
    restore(saved, inside / "model.keras")
    assert same(values(saved), witness.seen[0])


@pytest.mark.parametrize("source", ["model.keras", "latest"])
def test_restore_after_fit_has_raised_waits_for_the_writer(offline_run, monkeypatch, source):
    offline_run()
    gate, witness = Gate(monkeypatch), Witness()

    class Raise(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):  # noqa: ARG002
            if epoch == 1:
                raise RuntimeError("interrupted")

    with pytest.raises(RuntimeError, match="interrupted"):
        fit(WandbModelCheckpoint("model.keras"), witness, Raise(), epochs=2)
    opener = threading.Timer(0.5, gate.open)
    opener.start()
    saved = random_model(seed=0)
    restore(saved, source)
    opener.join()
    assert same(values(saved), witness.seen[0])


@pytest.mark.backend_free
def test_error_after_fit_has_raised_is_said(offline_run, monkeypatch):
    run = offline_run()
    monkeypatch.setenv("WANDB_SILENT", "false")
    said = []
    monkeypatch.setattr(wandb, "termerror", said.append)
    gate = Gate(monkeypatch)
    written = KerasArchive.write

    def fail(archive, data, path):
        written(archive, data, path)
        raise OSError("broken")

    monkeypatch.setattr(KerasArchive, "write", fail)

    class Raise(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):  # noqa: ARG002
            if epoch == 1:
                raise RuntimeError("interrupted")

    with pytest.raises(RuntimeError, match="interrupted"):
        fit(WandbModelCheckpoint("model.keras"), Raise(), epochs=2)
    gate.open()
    run.finish()
    assert len(said) == 1
    assert "epoch_0" in said[0]
    assert "broken" in said[0]


class Counter(keras.layers.Layer):
    """A layer that saves a number of Python's own, beside no variables at all."""

    def __init__(self, **arguments):
        super().__init__(**arguments)
        self.number = 0

    def call(self, inputs):
        return inputs

    def save_own_variables(self, store):
        store["number"] = np.array(self.number)

    def load_own_variables(self, store):
        self.number = int(np.asarray(store["number"]))


def test_what_layers_save_in_their_own_way_is_that_of_the_moment(offline_run, inside):
    offline_run()
    counter = Counter()
    model = keras.Sequential([keras.Input((4,)), counter, keras.layers.Dense(1)])
    model.compile("sgd", "mse")

    def count():
        counter.number += 1

    model.fit(X, Y, epochs=3, verbose=0, callbacks=[
        WandbModelCheckpoint("{epoch}.weights.h5", save_weights_only=True), Do(0, count), Do(1, count),  # noqa: E501
    ])  # fmt: skip
    for epoch in range(3):
        counter.number = -1
        restore(model, inside / f"{epoch + 1}.weights.h5")
        assert counter.number == epoch


def test_everything_else_in_a_model(offline_run, inside):
    """Several optimizers, an own metric, mixed precision: what Keras saves, wk saves."""
    offline_run()

    class Two(keras.Model):
        def __init__(self):
            super().__init__()
            self.one, self.other = keras.layers.Dense(3), keras.layers.Dense(1)
            self.second = keras.optimizers.Adam(0.1)

        def build(self, shape):
            self.one.build(shape)
            self.other.build((*shape[:-1], 3))
            self.second.build(self.other.trainable_variables)
            self.built = True

        def call(self, x):
            return self.other(self.one(x))

    keras.utils.set_random_seed(1)
    model = Two()
    model.build((None, 4))
    model.compile("adam", "mse")

    class Step(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):  # noqa: ARG002
            ones = [keras.ops.ones(v.shape) for v in model.other.trainable_variables]
            model.second.apply(ones, model.other.trainable_variables)

    model.fit(X, Y, epochs=2, verbose=0, callbacks=[
        WandbModelCheckpoint("m.weights.h5", save_weights_only=True), Step()
    ])  # fmt: skip
    expected = values(model) + [np.array(v.value) for v in model.second.variables]
    other = Two()
    other.build((None, 4))
    other.compile("adam", "mse")
    restore(other, inside / "m.weights.h5")
    assert same(values(other) + [np.array(v.value) for v in other.second.variables], expected)


def test_model_that_is_compiled_anew_after_an_interrupted_fit(offline_run, inside):
    offline_run()

    class Raise(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):  # noqa: ARG002
            if epoch == 1:
                while not (inside / "model.keras").exists():
                    time.sleep(0.01)
                raise RuntimeError("interrupted")

    checkpoint, model = WandbModelCheckpoint("model.keras"), random_model()
    with pytest.raises(RuntimeError, match="interrupted"):
        fit(checkpoint, Raise(), model=model, epochs=2)
    model.compile(optimizer=keras.optimizers.Adam(0.1), loss="mse", metrics=["mae"])
    fit(checkpoint, model=model, epochs=2)
    again = random_model(seed=0)
    restore(again, "model.keras")
    assert same(values(again), values(model))
