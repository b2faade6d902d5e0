"""A `fit` that goes on by itself ends as one that was not interrupted, bit for bit."""

from itertools import count

import numpy as np
import pytest
import wandb

from wk_checkpoint import WandbModelCheckpoint
from wk_core.compat.keras.flavour import LEGACY, backend, keras
from wk_metrics import WandbMetricsLogger
from wk_testing.resuming import BATCHES, Shuffled, X, Y, random_model, same, values
from wk_testing.training import executions

EPOCHS = 4

pytestmark = pytest.mark.skipif(LEGACY, reason="needs Keras 3")


@pytest.fixture(autouse=True)
def inside(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Interrupt(keras.callbacks.Callback):
    """Raises at the end of a batch of an epoch, or at the end of the epoch."""

    def __init__(self, epoch, batch):
        super().__init__()
        self.when = epoch, batch
        self.epoch = 0

    def on_epoch_begin(self, epoch, logs=None):  # noqa: ARG002
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):  # noqa: ARG002
        epoch, first = self.when  # of several batches an execution, Keras 3.10 names the first
        if self.epoch == epoch and first is not None and batch >= first:
            raise KeyboardInterrupt

    def on_epoch_end(self, epoch, logs=None):  # noqa: ARG002
        if (epoch, None) == self.when:
            raise KeyboardInterrupt


class Hooks(keras.callbacks.Callback):
    """Remembers which batches it was told of, by epoch."""

    def __init__(self):
        super().__init__()
        self.seen = {}

    def on_epoch_begin(self, epoch, logs=None):  # noqa: ARG002
        self.seen[epoch] = []

    def on_train_batch_begin(self, batch, logs=None):  # noqa: ARG002
        list(self.seen.values())[-1].append(batch)


def fit(model, data, *more, run, resume="auto", save_freq=3, path="model.keras", **arguments):
    callbacks = [
        WandbModelCheckpoint(path, "loss", save_freq=save_freq, resume=resume, run=run),
        keras.callbacks.ReduceLROnPlateau("loss", patience=1, factor=0.5),
        *more,
    ]
    arguments = {"shuffle": False, "verbose": 0, **arguments}
    return model.fit(*data, epochs=EPOCHS, callbacks=callbacks, **arguments)


def in_peace(model, data, offline_run, **arguments):
    with offline_run() as run:
        return fit(model, data, run=run, path="whole.keras", **arguments)


def tensors():
    tf = pytest.importorskip("tensorflow")
    return (tf.data.Dataset.from_tensor_slices((X, Y)).batch(8),)


def loader():
    torch = pytest.importorskip("torch")
    pairs = torch.utils.data.TensorDataset(torch.tensor(X), torch.tensor(Y))
    return (torch.utils.data.DataLoader(pairs, batch_size=8, shuffle=True),)


DATA = {
    "an order for each epoch": (lambda: (Shuffled(),), {}),
    "arrays": (lambda: (X, Y), {"batch_size": 8}),
    "arrays, shuffled": (lambda: (X, Y), {"batch_size": 8, "shuffle": True}),
    "a dataset, shuffled": (lambda: (Shuffled(),), {"shuffle": True}),
    "tf.data": (tensors, {}),
    "a loader, shuffled": (loader, {}),
}
UNPOSITIONED = ("arrays, shuffled", "a dataset, shuffled")  # on TensorFlow


@pytest.mark.parametrize("when", [(1, 5), (2, 0), (2, None)])
@pytest.mark.parametrize("kind", DATA)
def test_ends_as_without_an_interruption(kind, when, offline_run, read_back):
    make, arguments = DATA[kind]
    if backend() == "tensorflow" and kind in UNPOSITIONED:
        pytest.skip("Keras shuffles with TensorFlow, whose state cannot be put back")
    whole = random_model()
    expected = in_peace(whole, make(), offline_run, **arguments).history["loss"]

    interrupted = offline_run(id="one")
    more = [WandbMetricsLogger("batch", run=interrupted), Interrupt(*when)]
    with pytest.raises(KeyboardInterrupt):
        fit(random_model(), make(), *more, run=interrupted, **arguments)
    interrupted.finish()
    again = offline_run(id="one")
    model, hooks = random_model(seed=0), Hooks()
    more = [WandbMetricsLogger("batch", run=again), hooks]
    losses = fit(model, make(), *more, run=again, resume="must", **arguments).history["loss"]
    assert same(values(model), values(whole))
    assert losses == expected[-len(losses) :]

    # The last checkpoint was taken every three batches, before or with the one that raised.
    ended = when[0] * BATCHES + (BATCHES - 1 if when[1] is None else when[1])
    trained = (ended + (when[1] is None)) // 3 * 3
    steps = read_back(again).column("batch/batch_step")
    assert steps == list(range(trained, EPOCHS * BATCHES))
    epoch = (trained - 1) // BATCHES  # its batches may all be trained, but it has not ended
    assert list(hooks.seen) == list(range(epoch, EPOCHS))
    assert hooks.seen[epoch] == list(range((epoch + 1) * BATCHES - trained))
    assert model.train_function.__class__.__module__.partition(".")[0] != "wk_checkpoint"
    assert model._initial_epoch is None


@pytest.mark.parametrize("steps_per_execution", executions(2, 4))
def test_several_batches_an_execution(steps_per_execution, offline_run):
    def model_of(seed):
        model = random_model(seed)
        several = {"steps_per_execution": steps_per_execution}
        model.compile("adam", "mse", metrics=["mae"], **several)
        return model

    whole = model_of(7)
    in_peace(whole, (Shuffled(),), offline_run, save_freq=4)
    run = offline_run()
    with pytest.raises(KeyboardInterrupt):
        fit(model_of(7), (Shuffled(),), Interrupt(1, 4), run=run, save_freq=4)
    model = model_of(0)
    fit(model, (Shuffled(),), run=run, save_freq=4, resume="must")
    assert same(values(model), values(whole))


def stream():
    """Endless data, whose order no epoch begins anew."""
    tf = pytest.importorskip("tensorflow")
    tf.random.set_seed(7)
    return (tf.data.Dataset.from_tensor_slices((X, Y)).repeat().shuffle(64, seed=1).batch(8),)


@pytest.mark.parametrize("when", [(1, 5), (1, None)])
def test_an_endless_stream(when, offline_run, monkeypatch):
    said = []
    monkeypatch.setattr(wandb, "termwarn", said.append)
    arguments = {"steps_per_epoch": BATCHES, "save_freq": 4}
    whole = random_model()
    in_peace(whole, stream(), offline_run, **arguments)
    run = offline_run()
    with pytest.raises(KeyboardInterrupt):
        fit(random_model(), stream(), Interrupt(*when), run=run, **arguments)
    model = random_model(seed=0)
    fit(model, stream(), run=run, **arguments)
    if backend() == "torch":
        assert any("on PyTorch, data cannot be positioned" in text for text in said)
    else:
        assert same(values(model), values(whole))


def test_data_without_a_begin_are_said(offline_run, monkeypatch):
    said = []
    monkeypatch.setattr(wandb, "termwarn", said.append)
    run = offline_run()

    def batches():
        return ((X[:8], Y[:8]) for _ in count())

    arguments = {"steps_per_epoch": BATCHES, "run": run}
    with pytest.raises(KeyboardInterrupt):
        fit(random_model(), (batches(),), Interrupt(1, 5), **arguments)
    history = fit(random_model(seed=0), (batches(),), **arguments)
    assert history.epoch == [1, 2, 3]
    assert any("an iterator of type 'generator' has no begin" in text for text in said)


def test_an_epoch_that_begins_anew_has_its_own_numbers(offline_run, inside):
    if backend() != "tensorflow":
        pytest.skip("the data can be positioned")
    run = offline_run()
    arguments = {"batch_size": 8, "shuffle": True, "run": run, "path": "{epoch}-{batch}.keras"}
    with pytest.raises(KeyboardInterrupt):
        fit(random_model(), (X, Y), Interrupt(1, 5), **arguments)
    for path in inside.glob("*.keras"):
        path.unlink()
    hooks = Hooks()
    fit(random_model(seed=0), (X, Y), hooks, **arguments)
    assert hooks.seen[1] == list(range(BATCHES))
    assert {path.stem for path in inside.glob("2-*.keras")} <= {f"2-{n}" for n in range(1, 9)}


def test_where_it_looks(offline_run, inside):
    run = offline_run()
    data, begun = (Shuffled(),), {"epochs": 1, "verbose": 0, "shuffle": False}

    def checkpoint(resume, path="model.keras", **arguments):
        return WandbModelCheckpoint(path, "loss", resume=resume, run=run, **arguments)

    with pytest.raises(FileNotFoundError, match="has no checkpoint 'latest'"):
        random_model().fit(*data, callbacks=[checkpoint("must")], **begun)
    first = random_model()
    assert first.fit(*data, callbacks=[checkpoint("auto")], **begun).epoch == [0]

    # A checkpoint of any kind that `restore` takes.
    for source in ("latest", "epoch_0", f"run_{run.id}_model:latest", inside / "model.keras"):
        model = random_model(seed=0)
        rest = model.fit(*data, callbacks=[checkpoint(source, "other.keras")], **begun)
        assert rest.epoch == []  # nothing is left of one epoch
        assert same(values(model), values(first))
    with pytest.raises(FileNotFoundError):
        random_model().fit(*data, callbacks=[checkpoint("absent.keras")], **begun)


def test_without_a_run_the_file_is_looked_for(tmp_path):
    path = tmp_path / "model.keras"
    run = wandb.init(mode="disabled")
    arguments = {"verbose": 0, "shuffle": False}
    models = [random_model(), random_model(seed=0)]
    epochs = [
        model.fit(
            Shuffled(),
            epochs=end,
            callbacks=[WandbModelCheckpoint(path, "loss", resume="auto", run=run)],
            **arguments,
        ).epoch
        for model, end in zip(models, (1, 2), strict=True)
    ]
    assert epochs == [[0], [1]]


def test_only_the_first_fit_goes_on(offline_run):
    run = offline_run()
    fit(random_model(), (Shuffled(),), run=run)
    checkpoint = WandbModelCheckpoint("model.keras", "loss", resume="auto", run=run)
    model, arguments = random_model(seed=0), {"verbose": 0, "shuffle": False}
    assert model.fit(Shuffled(), epochs=5, callbacks=[checkpoint], **arguments).epoch == [3, 4]
    assert model.fit(Shuffled(), epochs=2, callbacks=[checkpoint], **arguments).epoch == [0, 1]


def test_several_checkpoints_of_a_fit_go_on_together(offline_run):
    run = offline_run()

    def callbacks():
        kinds = {"model.keras": None, "weights.weights.h5": "weights"}
        return [
            WandbModelCheckpoint(
                path,
                "loss",
                save_weights_only=artifact is not None,
                artifact=artifact,
                resume="auto",
                run=run,
            )
            for path, artifact in kinds.items()
        ]

    settings = {"verbose": 0, "shuffle": False}
    random_model().fit(Shuffled(), epochs=2, callbacks=callbacks(), **settings)
    again = callbacks()
    model = random_model(seed=0)
    assert model.fit(Shuffled(), epochs=3, callbacks=again, **settings).epoch == [2]
    assert again[0].best == again[1].best
    assert np.isfinite(again[1].best)


@pytest.mark.parametrize(("resume", "error"), [(True, TypeError), (3, TypeError), ("", ValueError)])
def test_bad_arguments(resume, error, offline_run):
    with pytest.raises(error, match="`resume`"):
        WandbModelCheckpoint("model.keras", resume=resume, run=offline_run())
