from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import pytest
import wandb

from kills.reading import MixtureError, number_in
from kills.writer import counting_model, fit
from wk_checkpoint import WandbModelCheckpoint
from wk_testing.scripts import run_script

pytestmark = pytest.mark.backend_free

needs_saved_models = pytest.mark.skipif(
    keras.backend.backend() == "torch", reason="Keras writes no SavedModel on PyTorch"
)
NAMES = [
    "model.keras",
    "model.weights.h5",
    pytest.param("models", marks=needs_saved_models),
]

StartRun = Callable[..., wandb.Run]


@pytest.mark.slow
def test_a_dozen_kills():
    script = "from kills.__main__ import main; main()"
    tests = str(Path(__file__).parents[1])  # where it finds the modules of this folder
    campaign = run_script(script, "--kills", "12", PYTHONPATH=tests)

    assert campaign.returncode == 0, campaign.stdout + campaign.stderr
    rows = [
        line.strip("| ").split(" | ") for line in campaign.stdout.splitlines() if "model" in line
    ]
    ours = [row for row in rows if "Keras" not in row[0]]
    assert [row[0] for row in ours] == [
        "`model.keras`",
        "`model.weights.h5`",
        "`models` (SavedModel)",
    ]
    assert [int(row[2]) for row in ours] == [4, 4, 4]


@pytest.mark.slow
def test_a_training_that_goes_on_by_itself_after_a_dozen_kills():
    script = "from kills.resuming import main; main()"
    tests = str(Path(__file__).parents[1])
    campaign = run_script(script, "--kills", "12", PYTHONPATH=tests)
    assert campaign.returncode == 0, campaign.stdout + campaign.stderr
    assert "the same as a training that was left in peace" in campaign.stdout


def saved(model: Any, path: Path) -> Path:
    """Saves a counting model, after a step."""
    weights_only = path.name.endswith(".weights.h5")
    fit(model, 1, [WandbModelCheckpoint(path, save_weights_only=weights_only)])
    return path


@pytest.mark.parametrize("name", NAMES)
def test_whole_checkpoint_is_read(name: str, tmp_path: Path, offline_run: StartRun):
    offline_run()
    assert number_in(saved(counting_model(41), tmp_path / name)) == 42


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("part", ["weights", "optimizer"])
def test_mixture_is_seen(part: str, name: str, tmp_path: Path, offline_run: StartRun):
    offline_run()
    model = counting_model(41)
    odd = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_, **__: alter(model, part))
    weights_only = name.endswith(".weights.h5")
    fit(model, 1, [odd, WandbModelCheckpoint(tmp_path / name, save_weights_only=weights_only)])
    with pytest.raises(MixtureError, match=r"a mixture of the steps \[7.0, 42.0\]"):
        number_in(tmp_path / name)


def alter(model: Any, part: str) -> None:
    """Puts a number of another step into a single place of a model."""
    if part == "optimizer":
        model.optimizer.iterations.assign(7)
        return
    kernel = keras.ops.convert_to_numpy(model.weights[3]).copy()
    kernel[77, 0] = 7
    model.weights[3].assign(kernel)


@needs_saved_models
def test_mixed_directory_is_seen(tmp_path: Path, offline_run: StartRun):
    offline_run()
    archive = Path("assets.extra", "model.keras")
    one, other = (saved(counting_model(start), tmp_path / f"models-{start}") for start in (1, 6))
    (one / archive).replace(other / archive)
    with pytest.raises(MixtureError, match=r"\[2.0, 7.0\]"):
        number_in(other)


@pytest.mark.parametrize("name", ["model.keras", "model.weights.h5"])
def test_half_a_file_is_seen(name: str, tmp_path: Path, offline_run: StartRun):
    offline_run()
    path = saved(counting_model(), tmp_path / name)
    path.write_bytes(path.read_bytes()[:-4096])
    with pytest.raises((OSError, ValueError)):
        number_in(path)
