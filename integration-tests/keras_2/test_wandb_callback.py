"""`WandbCallback` on Keras 2, which `TF_USE_LEGACY_KERAS=1` chooses."""

import numpy as np
import pytest

from wk_testing.old_scripts import NAMES, old_script
from wk_testing.scripts import run_script
from wk_testing.tables import logged_tables
from wk_testing.wandb_file import read_run

pytestmark = pytest.mark.backend_free

TRAININGS = """
import sys
import numpy as np
import tensorflow as tf
import wandb
from wk_checkpoint import restore
from wk_legacy import WandbCallback

keras = tf.keras
assert issubclass(WandbCallback, keras.callbacks.Callback)
keras.utils.set_random_seed(0)
x = np.random.rand(40, 4).astype("float32")
y = x.sum(axis=1, keepdims=True)

def compiled():
    inputs = [keras.Input((4,), name="one"), keras.Input((4,), name="other")]
    inner = keras.Sequential([keras.layers.Dense(3, name="inside")], name="inner")
    joined = keras.layers.Add(name="sum")([inner(each) for each in inputs])
    outputs = keras.layers.Dense(1, name="head")(joined)
    model = keras.Model(inputs, outputs)
    model.compile("sgd", "mse", metrics=[keras.metrics.AUC(name="mine")], steps_per_execution=2)
    return model

def train(model, **arguments):
    model.fit(
        [x, x],
        y > 2,
        batch_size=4,
        epochs=2,
        verbose=0,
        validation_split=0.25,
        callbacks=[WandbCallback(**arguments)],
    )

with wandb.init(project="test", dir=f"{sys.argv[1]}/run") as run:
    model = compiled()
    train(model, monitor="loss", log_batch_frequency=4, compute_flops=True, log_weights=True)
    again = compiled()
    again_callback = WandbCallback("loss")
    state = restore(again, f"{run.dir}/model-best.keras", callbacks=[again_callback])
    assert state.initial_epoch == 2, state
    assert again_callback.get_training_state()["best"] == state.metrics["loss"]
    assert all(map(np.array_equal, again.get_weights(), model.get_weights()))
    train(compiled(), monitor="mine", save_weights_only=True, log_best_prefix="top_")
"""


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """Trains all in one process of Keras 2; returns the directory of their runs."""
    directory = tmp_path_factory.mktemp("legacy_callback")
    script = TRAININGS
    for name in ("run", *NAMES):
        (directory / name).mkdir()
    for name in NAMES:
        script += old_script(name, keras_line="from tensorflow import keras").replace(
            "wandb.init(", f"wandb.init(dir=sys.argv[1] + '/{name}', "
        )
        script += "\nwandb.finish()\n"
    process = run_script(script, str(directory), TF_USE_LEGACY_KERAS="1")
    assert process.returncode == 0, process.stderr
    return directory


def test_training(directory):
    written = read_run(directory / "run")
    assert written.column("epoch") == [0, 1, 0, 1]
    assert len([row for row in written.history if "epoch" not in row]) == 2 * 2
    assert {"graph", "GFLOPs", "best_loss", "best_epoch", "top_mine"} <= set(written.summary)
    assert written.summary["top_mine"] == max(written.column("mine")[-2:])
    weights = written.column("parameters/head.weights/bins")
    assert np.shape(weights)[0] == 2
    (model,) = {each.name for each in written.artifacts}
    assert model.startswith("model-")
    files = {entry.path for each in written.artifacts for entry in each.manifest.contents}
    assert files == {"model-best.keras", "model-best.weights.h5"}


def test_old_scripts(directory):
    runs = {name: read_run(directory / name) for name in NAMES}
    assert runs["classification"].column("examples/count") == [36, 36]
    assert runs["segmentation"].column("examples/count") == [12, 12]
    assert runs["generator"].column("examples/count") == [4, 4]
    assert len(runs["table"].column("validation_predictions/nrows")) == 2
    assert any(key.startswith("gradients/") for key in runs["table"].history[0])
    (data,) = logged_tables(runs["table"], "wb_validation_data")
    assert data.columns == ["target", "input", "widest", "truth"]
