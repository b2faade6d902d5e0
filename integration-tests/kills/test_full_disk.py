"""What a training sees, and what it leaves, when there is no room for a checkpoint.

Once a file system of its own really is full, where the system lets a test mount one; and once no
file can grow beyond a limit, which fails in the middle of a file, too, and can be had everywhere.
"""

from pathlib import Path

import pytest

from wk_testing.scripts import run_script

pytestmark = pytest.mark.backend_free

SAVING = """
import sys
from pathlib import Path

from kills.filling import full, limited, mount_small

kind, name, directory = sys.argv[1], sys.argv[2], Path(sys.argv[3])
if kind == "full":
    try:
        mount_small(directory)
    except OSError as error:
        sys.exit(f"no mount: {error}")

import wandb

from kills.reading import number_in
from kills.writer import counting_model, fit
from wk_checkpoint import CheckpointError, WandbModelCheckpoint

path = directory / "checkpoints" / name
model = counting_model()
with wandb.init(mode="offline", dir=directory.parent):
    weights_only = name.endswith(".weights.h5")
    fit(model, 1, [WandbModelCheckpoint(path, save_weights_only=weights_only)])
    with full(directory) if kind == "full" else limited():
        try:
            fit(model, 1, [WandbModelCheckpoint(path, save_weights_only=weights_only)])
        except CheckpointError as error:
            print(error)
    print(number_in(path), [entry.name for entry in path.parent.iterdir()])
    fit(model, 1, [WandbModelCheckpoint(path, save_weights_only=weights_only)])
    print(number_in(path), [entry.name for entry in path.parent.iterdir()])
"""

REASONS = {"full": "No space left on device", "limited": "File too large"}


@pytest.mark.parametrize("name", ["model.keras", "model.weights.h5", "models"])
@pytest.mark.parametrize("kind", REASONS)
def test_no_room_for_a_checkpoint(kind: str, name: str, tmp_path: Path):
    directory = tmp_path / "small"
    directory.mkdir()
    process = run_script(SAVING, kind, name, str(directory), KERAS_BACKEND="tensorflow")
    if "no mount" in process.stderr:
        pytest.skip(f"a file system of the test's own: {process.stderr}")

    assert process.returncode == 0, process.stderr
    *said, before, after = process.stdout.splitlines()
    error = " ".join(said)
    assert "epoch_0" in error
    assert str(directory / "checkpoints" / name) in error
    assert REASONS[kind] in error
    assert before == f"1 ['{name}']"  # the earlier one, and no leftovers
    assert after == f"3 ['{name}']"
