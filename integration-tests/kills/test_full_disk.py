"""What a training sees, and what it leaves, when there is no room for a checkpoint.

Once a file system of its own really is full, where the system lets a test mount one; and once no
file can grow beyond a limit, which fails in the middle of a file, too, and can be had everywhere.
"""

import json
from pathlib import Path

import pytest

from wk_testing.scripts import run_script

pytestmark = pytest.mark.backend_free

SAVING = """
import json
import sys
from pathlib import Path

from kills.filling import full, limited, mount_small

kind, directory, names = sys.argv[1], Path(sys.argv[2]), sys.argv[3:]
if kind == "full":
    try:
        mount_small(directory)
    except OSError as error:
        sys.exit(f"no mount: {error}")

import wandb

from kills.reading import number_in
from kills.writer import counting_model, fit
from wk_checkpoint import CheckpointError, WandbModelCheckpoint


def save(path):
    weights_only = path.name.endswith(".weights.h5")
    fit(model, 1, [WandbModelCheckpoint(path, save_weights_only=weights_only)])

with wandb.init(mode="offline", dir=directory.parent):
    for name in names:
        path = directory / "checkpoints" / name / name
        model = counting_model()
        save(path)
        error = None
        with full(directory) if kind == "full" else limited():
            try:
                save(path)
            except CheckpointError as raised:
                error = str(raised)
        seen = [(number_in(path), [entry.name for entry in path.parent.iterdir()])]
        save(path)
        seen.append((number_in(path), [entry.name for entry in path.parent.iterdir()]))
        print(json.dumps([error, *seen]))
"""

# Where a script finds the modules of this folder.
TESTS = str(Path(__file__).parents[1])
NAMES = ("model.keras", "model.weights.h5", "models")
REASONS = {"full": "No space left on device", "limited": "File too large"}


@pytest.mark.parametrize("kind", REASONS)
def test_no_room_for_a_checkpoint(kind: str, tmp_path: Path):
    directory = tmp_path / "small"
    directory.mkdir()
    environment = {"KERAS_BACKEND": "tensorflow", "PYTHONPATH": TESTS}
    # A file system of its own is for a process with one thread.
    process = run_script(SAVING, kind, str(directory), *NAMES, new_interpreter=True, **environment)
    if "no mount" in process.stderr:
        pytest.skip(f"a file system of the test's own: {process.stderr}")

    assert process.returncode == 0, process.stderr
    for number, (name, line) in enumerate(zip(NAMES, process.stdout.splitlines(), strict=True)):
        error, before, after = json.loads(line)
        assert error is not None, name
        assert f"epoch_{3 * number + 1} " in error  # epochs go on within the run
        assert str(directory / "checkpoints" / name / name) in error
        assert REASONS[kind] in error
        assert before == [1, [name]]  # the earlier one, and no leftovers
        assert after == [3, [name]]
