"""Where checkpoints go: what a path means, and which paths are refused before training."""

import os
from pathlib import Path

import pytest
import wandb

from wk_checkpoint import WandbModelCheckpoint, restore
from wk_checkpoint.filepath import beside
from wk_checkpoint.formats import format_for
from wk_checkpoint.storage.storage import absolute
from wk_core.compat.keras.flavour import backend, keras
from wk_testing.client import end_client
from wk_testing.resuming import Shuffled, random_model, same, values

TENSORFLOW_CHECKPOINT, SAVED_MODEL = "tensorflow_checkpoint", "saved_model"


@pytest.fixture(autouse=True)
def inside(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def fit(*callbacks, epochs=1):
    model = random_model()
    model.fit(Shuffled(), epochs=epochs, verbose=0, shuffle=False, callbacks=list(callbacks))
    return model


class Elsewhere(keras.callbacks.Callback):
    """Works in another directory, but at the end of an epoch."""

    def __init__(self, directory):
        super().__init__()
        self._here, self._there = Path.cwd(), directory

    def on_train_batch_begin(self, batch, logs=None):  # noqa: ARG002
        os.chdir(self._there)

    def on_epoch_end(self, epoch, logs=None):  # noqa: ARG002
        os.chdir(self._here)


@pytest.mark.parametrize("path", ["models/{epoch}.keras", "kept/{epoch}"])
def test_working_directory_that_changes(inside, tmp_path_factory, path):
    weights_only = not path.endswith(".keras")
    if weights_only and backend() != "tensorflow":
        pytest.skip("the same for files")
    there = tmp_path_factory.mktemp("there")
    Path("own").mkdir()
    end_client()  # wandb 0.25's process crashes where `dir` is relative to another directory
    with wandb.init(project="p", mode="offline", dir="own") as run:
        checkpoint = WandbModelCheckpoint(path, "loss", save_weights_only=weights_only)
        model = fit(Elsewhere(there), checkpoint, epochs=3)
        os.chdir(there)
        again = random_model(seed=0)
        assert restore(again, "latest").initial_epoch == 3
        assert same(values(again), values(model))
        restore(random_model(), inside / path.format(epoch=3))
    assert [*there.iterdir()] == []
    assert sorted(entry.name for entry in (inside / path).parent.iterdir()) == [
        Path(path).name.format(epoch=epoch) for epoch in (1, 2, 3)
    ]
    assert len([*inside.glob(f"own/wandb/checkpoints/{run.id}/*/*/version.json")]) == 3


def test_absolute():
    assert absolute("a/{epoch}.keras") == str(Path.cwd() / "a/{epoch}.keras")
    assert absolute("gs://bucket/a.keras") == "gs://bucket/a.keras"
    assert absolute("/a.keras") == "/a.keras"


@pytest.mark.backend_free
@pytest.mark.parametrize(
    "path",
    [
        "m-{}-{epoch}.keras", "{0}.keras", "{:d}.keras", "{epoch:.2q}.keras", "{epoch[0]}.keras",
        "{epoch!z}.keras", "{epoch.number}.keras", "{loss:d}.keras", "{loss:s}.keras",
        "{epoch.keras", "epoch}.keras", "models/..", "/", ".", "a\0.keras",
    ],
)  # fmt: skip
def test_path_that_can_never_be_filled_in(offline_run, path):
    offline_run()
    with pytest.raises(ValueError, match=r"`filepath` (has a placeholder|must name) .*Received"):
        WandbModelCheckpoint(path, "loss")


@pytest.mark.backend_free
@pytest.mark.parametrize(
    "path",
    ["{epoch!s:>3}-{batch:02d}.keras", "{loss!r}.keras", "{{x}}-{val_loss:8.2e}.keras", "ä.keras"],
)
def test_path_that_can_be_filled_in(offline_run, path):
    offline_run()
    assert WandbModelCheckpoint(path, "loss", save_freq=2).filepath == path


@pytest.mark.backend_free
@pytest.mark.parametrize("weights_only", [False, True])
@pytest.mark.parametrize(
    "path",
    [
        "m.weights.json", "m.npz", "m.kears", "m.KERAS", "m.H5", "m.keras ", "m.pt", "m.pb",
        "m.weights", "m.onnx", "a.b/{epoch}-{loss:.2f}.zip", "m.Weights.H5", "m.h5py",
    ],
)  # fmt: skip
def test_ending_that_means_nothing(path, weights_only):
    with pytest.raises(ValueError, match=r"'\*\.keras'.*\n.*'\*\.weights\.h5'.*\n.*'ckpt'"):
        format_for(path, weights_only=weights_only)


@pytest.mark.parametrize(
    "path",
    [
        "models", "models/v1.5", "m.2024", "models/", "a.npz/models", ".models", "m.v2", "m.",
        "{epoch:02d}-{val_loss:.2f}", "run.epoch-{epoch}", "m.{epoch}", "1.2.3-rc1", "cp.ckpt",
        "cp-{epoch:04d}.ckpt", "m.TF", "triton/1/model.savedmodel", "m.keras/", "Mr. A. Model-2",
    ],
)  # fmt: skip
def test_directory(path):
    pytest.importorskip("tensorflow")
    assert format_for(path, weights_only=True).name == TENSORFLOW_CHECKPOINT
    if backend() != "torch":
        assert format_for(path, weights_only=False).name == SAVED_MODEL


def test_hdf5_ending_of_old_scripts(offline_run, inside):
    offline_run()
    model = fit(WandbModelCheckpoint("weights.best.hdf5", "loss"))
    again = random_model(seed=0)
    restore(again, inside / "weights.best.hdf5")
    assert same(values(again), values(model))
    with pytest.raises(ValueError, match=r"'\*\.weights\.h5'"):
        WandbModelCheckpoint("weights.best.hdf5", "loss", save_weights_only=True)


@pytest.mark.parametrize(
    ("name", "weights_only"),
    [
        ("m" * 249 + ".keras", False),
        ("모" * 80 + "m.keras", False),
        ("w" * 244 + ".weights.h5", True),
        ("d" * 255, True),
    ],
)
def test_name_as_long_as_a_name_can_be(offline_run, inside, name, weights_only):
    if name.startswith("d") and backend() != "tensorflow":
        pytest.skip("the same for files")
    offline_run()
    checkpoint = WandbModelCheckpoint(name, "loss", save_weights_only=weights_only)
    model = fit(checkpoint, epochs=2)
    for source in (inside / name, "latest"):
        again = random_model(seed=0)
        assert restore(again, source).initial_epoch == 2
        assert same(values(again), values(model))


@pytest.mark.backend_free
@pytest.mark.parametrize("name", ["", "a" * 129, "a/b", "a:b"])
def test_artifact_that_has_no_name(offline_run, name):
    offline_run()
    with pytest.raises(ValueError, match="the artifact needs a name"):
        WandbModelCheckpoint("m.keras", artifact=name)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("model.keras", "model.non_finite.keras"),
        ("a/m.weights.h5", "a/m.non_finite.weights.h5"),
        ("v1.5.h5", "v1.5.non_finite.h5"),
        ("models", "models.non_finite"),
        ("gs://bucket/models/", "gs://bucket/models.non_finite"),
    ],
)
def test_path_beside_a_checkpoint(path, expected):
    assert beside(path) == expected
