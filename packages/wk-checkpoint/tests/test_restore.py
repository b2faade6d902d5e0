"""Training that was interrupted and resumed ends as training that was not, bit for bit."""

import numpy as np
import pytest
import wandb

from wk_checkpoint import WandbModelCheckpoint, restore
from wk_core.compat.keras.flavour import backend, keras
from wk_metrics import WandbMetricsLogger
from wk_testing.resuming import BATCHES, SAMPLES, Shuffled, X, Y, random_model, same, values
from wk_testing.training import executions

EPOCHS = 4


@pytest.fixture(autouse=True)
def inside(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def callbacks(path="model.keras", **arguments):
    return [
        WandbModelCheckpoint(path, "loss", **arguments),
        keras.callbacks.EarlyStopping("mae", patience=3, restore_best_weights=True),
        keras.callbacks.ReduceLROnPlateau("loss", patience=1, factor=0.5),
    ]


def fit(model, data, its_callbacks, *, epochs=EPOCHS, initial_epoch=0, **arguments):
    arguments = {"shuffle": False, "verbose": 0, **arguments}
    return model.fit(
        data, epochs=epochs, initial_epoch=initial_epoch, callbacks=its_callbacks, **arguments
    )


def uninterrupted(data, **arguments):
    model = random_model()
    history = fit(model, data, callbacks("uninterrupted.keras"), **arguments)
    return values(model), history.history


PATHS = {
    "file": {"path": "model.keras"},
    "hdf5": {"path": "model.h5"},
    "weights": {"path": "model.weights.h5", "save_weights_only": True},
    "saved model": {"path": "models"},
    "checkpoint": {"path": "weights", "save_weights_only": True},
}


@pytest.mark.parametrize("kind", PATHS)
def test_bit_for_bit(offline_run, inside, kind):
    if backend() == "torch" and kind == "saved model":
        pytest.skip("Keras writes no SavedModel with PyTorch")
    offline_run()
    expected, history = uninterrupted(Shuffled())
    fit(random_model(), Shuffled(), callbacks(**PATHS[kind]), epochs=2)

    model, its_callbacks = random_model(seed=0), callbacks(**PATHS[kind])
    state = restore(model, inside / PATHS[kind]["path"], callbacks=its_callbacks)
    assert (state.initial_epoch, state.batch, state.global_step) == (2, 0, 2 * BATCHES)
    assert state.metrics["loss"] == history["loss"][1]
    assert state.best == min(history["loss"][:2])
    rest = fit(model, Shuffled(2), its_callbacks, initial_epoch=state.initial_epoch)
    assert same(values(model), expected)
    assert rest.history["loss"] == history["loss"][2:]
    assert rest.history["learning_rate"] == history["learning_rate"][2:]
    assert its_callbacks[0].best == min(history["loss"])


def stream():
    """The data of a whole training: the order of each epoch is a function of its number."""
    tf = pytest.importorskip("tensorflow")
    tf.random.set_seed(7)  # its seeds go with the process's own
    epoch = tf.data.Dataset.from_tensor_slices((X, Y))
    epochs = tf.data.Dataset.range(EPOCHS)
    return epochs.flat_map(lambda number: epoch.shuffle(SAMPLES, seed=number).batch(8))


@pytest.mark.parametrize("batch", [3, BATCHES])
def test_within_an_epoch(offline_run, inside, batch):
    offline_run()
    expected, history = uninterrupted(Shuffled())
    path = "{epoch}-{batch}.keras"
    fit(random_model(), Shuffled(), callbacks(path, save_freq=1), epochs=2)

    model, its_callbacks = random_model(seed=0), callbacks()
    state = restore(model, inside / f"2-{batch}.keras", callbacks=its_callbacks)
    assert (state.initial_epoch, state.batch) == (1, batch)
    rest = state.fit(
        model, Shuffled(1), epochs=EPOCHS, callbacks=its_callbacks, shuffle=False, verbose=0
    )
    assert same(values(model), expected)
    assert rest.history["loss"] == history["loss"][1:]  # of all the epoch's batches


@pytest.mark.parametrize("steps_per_execution", executions(3, 16))
def test_within_an_epoch_of_several_batches_an_execution(offline_run, inside, steps_per_execution):
    def model_of(seed):
        model = random_model(seed)
        several = {"steps_per_execution": steps_per_execution}
        model.compile(optimizer="adam", loss="mse", metrics=["mae"], **several)
        return model

    offline_run()
    whole = model_of(7)
    fit(whole, Shuffled(), callbacks("uninterrupted.keras"))
    fit(model_of(7), Shuffled(), callbacks("{epoch}-{batch}.keras", save_freq=1), epochs=2)
    ends = {1: [*range(1, 9)], 3: [3, 6, 8], 16: [8]}[steps_per_execution]
    assert {path.stem for path in inside.glob("2-*.keras")} == {f"2-{end}" for end in ends}

    for end in (ends[0], ends[-1]):
        model, its_callbacks = model_of(0), callbacks("again-{epoch}-{batch}.keras", save_freq=1)
        state = restore(model, inside / f"2-{end}.keras", callbacks=its_callbacks)
        assert (state.initial_epoch, state.batch, state.global_step) == (1, end, BATCHES + end)
        state.fit(
            model, Shuffled(1), epochs=EPOCHS, callbacks=its_callbacks, shuffle=False, verbose=0
        )
        assert same(values(model), values(whole))
        again = {path.stem for path in inside.glob("again-2-*.keras")}
        assert ("again-2-8" in again) == (end < BATCHES)
        assert {path.stem for path in inside.glob("again-4-*")} == {f"again-4-{n}" for n in ends}
        for path in inside.glob("again-*"):
            path.unlink()


@pytest.mark.parametrize("name", ["1-5", "2-3", "2"])
def test_within_a_stream(offline_run, inside, name):
    offline_run()
    expected, history = uninterrupted(stream(), steps_per_epoch=BATCHES)
    of_batches = callbacks("{epoch}-{batch}.keras", save_freq=1)
    of_epochs = WandbModelCheckpoint("{epoch}.keras", artifact="epochs")
    fit(
        random_model(), stream(), [*of_batches, of_epochs], epochs=2, steps_per_epoch=BATCHES
    )  # fmt: skip

    model, its_callbacks = random_model(seed=0), callbacks()
    state = restore(model, inside / f"{name}.keras", callbacks=its_callbacks)
    rest = state.fit(
        model, stream(), epochs=EPOCHS, steps_per_epoch=BATCHES, callbacks=its_callbacks,
        shuffle=False, verbose=0,
    )  # fmt: skip
    assert same(values(model), expected)
    assert rest.history["loss"] == history["loss"][state.initial_epoch :]


def arrays():
    if backend() == "tensorflow":
        pytest.skip("its shuffling has no state to put back")
    return {"x": X, "y": Y, "batch_size": 8}


def data_loader():
    torch = pytest.importorskip("torch")
    torch.manual_seed(7)
    data = torch.utils.data.TensorDataset(torch.tensor(X), torch.tensor(Y))
    return {"x": torch.utils.data.DataLoader(data, batch_size=8, shuffle=True), "shuffle": False}


@pytest.mark.parametrize("data", [arrays, data_loader])
def test_data_that_are_shuffled(offline_run, inside, data):
    offline_run()
    model = random_model()
    model.fit(**data(), epochs=4, verbose=0)
    expected = values(model)
    random_model().fit(
        **data(), epochs=2, verbose=0, callbacks=[WandbModelCheckpoint("model.keras")]
    )
    np.random.random(100)

    model, its_callbacks = random_model(seed=0), [WandbModelCheckpoint("model.keras")]
    state = restore(model, inside / "model.keras", callbacks=its_callbacks)
    model.fit(
        **data(), epochs=4, initial_epoch=state.initial_epoch, verbose=0, callbacks=its_callbacks
    )
    assert same(values(model), expected)


@pytest.mark.backend_free
def test_by_alias_offline(offline_run):
    run = offline_run()
    witness = {}

    class Witness(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["m"] = [2.0, 1.0, 3.0][epoch]
            witness[epoch] = values(self.model)

    fit(random_model(), Shuffled(), [Witness(), WandbModelCheckpoint("m.keras", "m", mode="min")],
        epochs=3)  # fmt: skip
    for alias, epoch in {None: 2, "latest": 2, "best": 1, "epoch_0": 0}.items():
        model = random_model(seed=0)
        assert restore(model, alias).initial_epoch == epoch + 1
        assert same(values(model), witness[epoch])
    with pytest.raises(FileNotFoundError, match=r"'epoch_7'.*best, epoch_0, epoch_1, epoch_2"):
        restore(random_model(), "epoch_7", run=run)


@pytest.mark.backend_free
def test_another_artifact_of_an_offline_run(offline_run):
    offline_run()
    checkpoint = WandbModelCheckpoint("model.keras", artifact="mine")
    model = random_model()
    fit(model, Shuffled(), [checkpoint], epochs=1)
    again = random_model(seed=0)
    restore(again, "mine:latest")
    assert same(values(again), values(model))


def test_axes_go_on(offline_run, read_back, inside):
    interrupted = offline_run()
    logger = WandbMetricsLogger("batch")
    fit(random_model(), Shuffled(), [logger, *callbacks("m{batch}.keras", save_freq=5)], epochs=2)
    interrupted.finish()

    run = offline_run()
    model, its_callbacks = random_model(seed=0), [WandbMetricsLogger("batch"), *callbacks()]
    state = restore(model, inside / "m2.keras", callbacks=its_callbacks)
    state.fit(model, Shuffled(1), epochs=3, callbacks=its_callbacks, shuffle=False, verbose=0)
    file = read_back(run)
    first = state.global_step
    assert file.column("batch/batch_step") == list(range(first, 3 * BATCHES))
    assert file.column("epoch/epoch") == [1, 2]


@pytest.mark.backend_free
def test_second_fit_of_an_interrupted_training(offline_run, read_back, inside):
    """Keras counts its epochs from zero in each `fit`; the training and the axis do not."""
    interrupted = offline_run()
    its_callbacks = [WandbMetricsLogger(), WandbModelCheckpoint("{epoch}.keras", "loss")]
    model = random_model()
    fit(model, Shuffled(), its_callbacks, epochs=2)
    fit(model, Shuffled(), its_callbacks, epochs=1)
    interrupted.finish()

    run = offline_run()
    its_callbacks = [WandbMetricsLogger(), WandbModelCheckpoint("{epoch}.keras", "loss")]
    state = restore(model, inside / "1.keras", callbacks=its_callbacks)
    fit(model, Shuffled(1), its_callbacks, initial_epoch=state.initial_epoch, epochs=4)
    assert read_back(run).column("epoch/epoch") == [3]


@pytest.mark.backend_free
def test_callback_without_a_state_is_named(offline_run, inside):
    offline_run()
    fit(random_model(), Shuffled(), [WandbModelCheckpoint("model.keras")], epochs=1)
    stopping = keras.callbacks.EarlyStopping("loss")
    with pytest.warns(UserWarning, match="no state of EarlyStopping"):
        restore(random_model(), inside / "model.keras", callbacks=[stopping])


@pytest.mark.backend_free
def test_own_callback_takes_part(offline_run, inside):
    class Own(keras.callbacks.Callback):
        memory = 0

        def on_epoch_end(self, epoch, logs=None):  # noqa: ARG002
            self.memory += 1

        def get_training_state(self):
            return {"memory": self.memory}

        def set_training_state(self, state):
            self.memory = state["memory"]

    offline_run()
    fit(random_model(), Shuffled(), [WandbModelCheckpoint("model.keras"), Own()], epochs=2)
    own = Own()
    restore(random_model(), inside / "model.keras", callbacks=[own])
    assert own.memory == 2


@pytest.mark.backend_free
@pytest.mark.parametrize(
    "name", [None, "latest", "best", "epoch_3", "v3", "name:latest", "project/name:latest"]
)
def test_disabled_run_has_no_checkpoint(monkeypatch, name):
    monkeypatch.delenv("WANDB_API_KEY")
    with wandb.init(mode="disabled"), pytest.raises(FileNotFoundError, match="disabled"):
        restore(random_model(), name)


@pytest.mark.backend_free
def test_errors(offline_run, inside):
    with pytest.raises(wandb.Error, match="restore needs a W&B run"):
        restore(random_model(), "latest")
    with pytest.raises(FileNotFoundError, match=r"no checkpoint at .*nothing.keras"):
        restore(random_model(), inside / "nothing.keras")
    offline_run()
    with pytest.raises(FileNotFoundError, match="This machine keeps none"):
        restore(random_model())
    with pytest.raises(wandb.Error, match="is offline"):
        restore(random_model(), "project/name:latest")
    model = random_model()
    fit(model, Shuffled(), [WandbModelCheckpoint("model.keras")], epochs=1)
    model.save("keras.keras")
    with pytest.raises(ValueError, match="holds no training state"):
        restore(model, inside / "keras.keras")
    (inside / "text.txt").write_text("text")
    with pytest.raises(ValueError, match="is no checkpoint"):
        restore(model, inside / "text.txt")


def test_another_model_or_optimizer(offline_run, inside):
    offline_run()
    fit(random_model(), Shuffled(), [WandbModelCheckpoint("model.keras")], epochs=1)
    other = random_model()
    other.compile("sgd", "mse")
    with pytest.raises(ValueError, match="another optimizer"):
        restore(other, inside / "model.keras")
    other = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    other.compile("adam", "mse")
    with pytest.raises(ValueError, match="not like"):
        restore(other, inside / "model.keras")


def test_model_that_is_not_built(offline_run, inside):
    offline_run()

    def unbuilt():
        model = keras.Sequential([keras.layers.Dense(3), keras.layers.Dense(1)])
        model.compile("adam", "mse")
        return model

    model = unbuilt()
    fit(model, Shuffled(), [WandbModelCheckpoint("model.keras")], epochs=1)
    fit(model, Shuffled(), [WandbModelCheckpoint("w.weights.h5", save_weights_only=True)], epochs=1)
    again = unbuilt()
    restore(again, inside / "model.keras")
    assert again.built
    with pytest.raises(ValueError, match="build it first"):
        restore(unbuilt(), inside / "w.weights.h5")


def test_data_that_cannot_be_positioned(offline_run, inside):
    offline_run()
    fit(random_model(), Shuffled(), callbacks("{batch}.keras", save_freq=3), epochs=1)
    model = random_model()
    state = restore(model, inside / "3.keras")
    with pytest.raises(TypeError, match="PyDataset"):
        state.fit(model, X, epochs=2)
