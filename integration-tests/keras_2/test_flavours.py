"""Callbacks of one Keras, and a model of the other: one sentence says what to do."""

import pytest

from wk_testing.scripts import run_script

pytestmark = pytest.mark.backend_free

SCRIPT = """
import numpy as np
import keras
import tf_keras
import wandb
from wk_checkpoint import WandbModelCheckpoint
from wk_eval import RegressionEval
from wk_legacy import WandbCallback
from wk_metrics import WandbGradientLogger, WandbMetricsLogger, WandbWeightLogger

x, y = np.ones((8, 2)), np.ones((8, 1))
model = {other}.Sequential([{other}.layers.Dense(1)])
model.compile("sgd", "mse")
with wandb.init(project="p"):
    for callback in (
        WandbMetricsLogger(),
        WandbMetricsLogger("batch"),
        WandbModelCheckpoint("model.{ending}", "loss"),
        RegressionEval((x, y)),
        WandbGradientLogger((x, y)),
        WandbWeightLogger(),
        WandbCallback(save_model=False),
    ):
        for call in (model.fit, model.evaluate):
            try:
                call(x, y, verbose=0, callbacks=[callback])
            except TypeError as error:
                print(type(callback).__name__ in str(error) and "TF_USE_LEGACY_KERAS" in str(error))
"""


@pytest.mark.parametrize(
    ("other", "variable"), [("tf_keras", ""), ("keras", "1")], ids=["keras 3", "keras 2"]
)
def test_model_of_the_other_keras(other, variable, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    script = SCRIPT.format(other=other, ending="keras")
    process = run_script(script, KERAS_BACKEND="tensorflow", TF_USE_LEGACY_KERAS=variable)
    assert process.returncode == 0, process.stderr
    assert process.stdout.split() == ["True"] * 14
