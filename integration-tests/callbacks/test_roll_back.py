"""What else follows a training sees of it when it goes back to its last good checkpoint."""

import math

import pytest

from wk_checkpoint import WandbModelCheckpoint
from wk_core.compat.keras.flavour import keras
from wk_core.state.rollback import find_rollback_source
from wk_metrics import WandbMetricsLogger
from wk_testing.diverging import Poisoned, is_finite
from wk_testing.resuming import BATCHES, random_model


class Guard(keras.callbacks.Callback):
    """Goes back before the batch after the one that has broken the model."""

    def on_train_batch_begin(self, batch, logs=None):  # noqa: ARG002
        if not is_finite(self.model):
            find_rollback_source().roll_back()


@pytest.mark.parametrize("logger_is_first", [True, False])
def test_batches_go_on_and_rates_are_those_that_were_used(
    offline_run, read_back, tmp_path, logger_is_first
):
    run = offline_run()
    model = random_model()
    halving = keras.optimizers.schedules.ExponentialDecay(2**-7, 1, 0.5)
    model.compile(keras.optimizers.Adam(halving), "mse")
    logger = WandbMetricsLogger("batch", throughput=True)
    checkpoint = WandbModelCheckpoint(tmp_path / "model.keras", "loss", save_freq=3)
    callbacks = [checkpoint, Guard()]
    callbacks.insert(0 if logger_is_first else 2, logger)
    data = Poisoned(epoch=1, batch=4)
    model.fit(data, epochs=3, verbose=0, shuffle=False, callbacks=callbacks)

    written = read_back(run)
    assert written.column("batch/batch_step") == list(range(3 * BATCHES))
    updates = [round(-math.log2(rate)) - 7 for rate in written.column("batch/learning_rate")]
    # After the broken batch the count of updates goes on from the checkpoint, the twelfth batch.
    assert updates == [*range(13), *range(12, 3 * BATCHES - 1)]
    rows = written.rows("epoch/epoch")
    # In the epoch that went back, nothing tells how many samples were trained.
    assert ["epoch/samples_per_second" in row for row in rows] == [True, False, True]
    assert all("epoch/steps_per_second" in row for row in rows)
    assert all(math.isfinite(row["epoch/loss"]) for row in rows)
