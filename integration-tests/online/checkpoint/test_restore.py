"""What was saved by one process is found by another, under each of its names."""

from pathlib import Path

import numpy as np
import pytest
import wandb

from wandb_loopback import WandbServer
from wk_checkpoint import WandbModelCheckpoint, restore
from wk_core.compat.keras.flavour import backend
from wk_testing.resuming import BATCHES, Shuffled, random_model, same, values
from wk_testing.scripts import run_script

# Where a script finds the modules of this folder.
TESTS = str(Path(__file__).parents[2])

TRAINED = """
import sys
import numpy as np
import wandb
from online.checkpoint.test_versions import Scores, train
from wk_checkpoint import WandbModelCheckpoint
from wk_testing.resuming import Witness

directory = sys.argv[1]
witness = Witness()
with wandb.init(project="p", id="trained"):
    checkpoint = WandbModelCheckpoint(f"{directory}/model.keras", monitor="score", mode="min")
    train([Scores([3.0, 1.0, 2.0]), witness, checkpoint], epochs=3)
for epoch, tensors in witness.seen.items():
    np.savez(f"{directory}/{epoch}.npz", *tensors)
"""

NAMES = {
    None: 2,
    "latest": 2,
    "best": 1,
    "epoch_0": 0,
    "epoch_1": 1,
    "v0": 0,
    "v2": 2,
    "test-entity/p/run_trained_model:best": 1,
    "p/run_trained_model:epoch_0": 0,
    "run_trained_model:latest": 2,
}


@pytest.fixture
def trained(wandb_server: WandbServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of a training in another process, on a machine that has no more of it."""
    assert wandb_server.running
    process = run_script(TRAINED, str(tmp_path), WANDB_DIR=str(tmp_path), PYTHONPATH=TESTS)
    assert process.returncode == 0, process.stderr
    (tmp_path / "model.keras").unlink()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.backend_free
def test_every_name_leads_to_its_checkpoint(trained: Path):
    with wandb.init(project="p", id="trained", resume="must"):
        for name, epoch in NAMES.items():
            model = random_model(seed=8)
            state = restore(model, name)

            assert (state.initial_epoch, state.batch) == (epoch + 1, 0), name
            assert state.global_step == (epoch + 1) * BATCHES, name
            assert state.best == [3.0, 1.0, 1.0][epoch], name
            assert state.metrics["score"] == [3.0, 1.0, 2.0][epoch], name
            with np.load(trained / f"{epoch}.npz") as seen:
                assert same(values(model), list(seen.values())), name

    with wandb.init(project="p"):
        assert restore(model, "p/run_trained_model:best").initial_epoch == 2


@pytest.mark.backend_free
@pytest.mark.usefixtures("wandb_server")
def test_missing_checkpoint_is_an_error_that_names_those_there_are(tmp_path: Path):
    model = random_model()
    with wandb.init(project="p", id="trained"):
        checkpoint = WandbModelCheckpoint(tmp_path / "model.keras", monitor="loss")
        model.fit(Shuffled(), epochs=3, shuffle=False, verbose=0, callbacks=[checkpoint])
    with wandb.init(project="p", id="trained", resume="must"):
        with pytest.raises(FileNotFoundError, match="'epoch_9'") as missing:
            restore(model, "epoch_9")
        for alias in ("best", "latest", "epoch_0", "epoch_1", "epoch_2"):
            assert alias in str(missing.value)

    with wandb.init(project="p") as another:
        with pytest.raises(FileNotFoundError, match="run_trained_model:epoch_9"):
            restore(model, "p/run_trained_model:epoch_9")
        with pytest.raises(FileNotFoundError, match=another.id):
            restore(model)


FORMATS = [
    ("model.weights.h5", True),
    ("model.h5", False),
    *([("models", False), ("checkpoints", True)] if backend() == "tensorflow" else []),
]


@pytest.mark.usefixtures("wandb_server")
@pytest.mark.parametrize(("path", "weights_only"), FORMATS)
def test_every_format_comes_back_from_the_server(tmp_path: Path, path: str, weights_only: bool):
    model = random_model()
    with wandb.init(project="p") as run:
        checkpoint = WandbModelCheckpoint(
            tmp_path / path, monitor="loss", save_weights_only=weights_only
        )
        model.fit(Shuffled(), epochs=2, shuffle=False, verbose=0, callbacks=[checkpoint])

    with wandb.init(project="p"):
        restored = random_model(seed=8)
        state = restore(restored, f"run_{run.id}_model:epoch_1")
    assert (state.initial_epoch, state.global_step) == (2, 2 * BATCHES)
    assert same(values(restored), values(model))
