"""The names of a checkpoint."""

import pytest

from wk_checkpoint.checkpoint import CheckpointStep
from wk_checkpoint.filepath import placeholders


def test_names():
    assert CheckpointStep(2, None, 0).alias == "epoch_2"
    assert CheckpointStep(2, 9, 0).alias == "epoch_2_batch_9"
    logs = {"loss": 0.25}
    assert CheckpointStep(2, 9, 0, logs).fill("{epoch:03d}-{batch}-{loss:.1f}") == "003-10-0.2"
    assert placeholders("a{epoch:02d}{{x}}{loss:.2f}") == {"epoch", "loss"}
    with pytest.raises(KeyError, match="Known are: epoch, loss"):
        CheckpointStep(2, None, 0, logs).fill("{batch}")
