"""A callback whose run is finished says so when the next `fit` begins, not after an epoch."""

import time

import numpy as np
import pytest
import wandb

from wk_checkpoint import WandbModelCheckpoint
from wk_core.compat.keras.flavour import keras
from wk_eval import RegressionEval
from wk_legacy import WandbCallback
from wk_metrics import WandbGradientLogger, WandbMetricsLogger, WandbWeightLogger

pytestmark = pytest.mark.backend_free


def data():
    x = np.linspace(0, 1, 32, dtype="float32").reshape(8, 4)
    return x, x.sum(1, keepdims=True)


def model():
    made = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    made.compile("sgd", "mse")
    return made


MAKERS = {
    "epochs": lambda path, **arguments: WandbMetricsLogger(**arguments),  # noqa: ARG005
    "batches": lambda path, **arguments: WandbMetricsLogger("batch", **arguments),  # noqa: ARG005
    "checkpoint": lambda path, **arguments: WandbModelCheckpoint(path, "loss", **arguments),
    "evaluation": lambda path, **arguments: RegressionEval(data(), **arguments),  # noqa: ARG005
    "gradients": lambda path, **arguments: WandbGradientLogger(data(), **arguments),  # noqa: ARG005
    "weights": lambda path, **arguments: WandbWeightLogger(**arguments),  # noqa: ARG005
    "legacy": lambda path, **arguments: WandbCallback(save_model=False),  # noqa: ARG005
}
callbacks = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


class Epochs(keras.callbacks.Callback):
    """Counts the epochs that were begun."""

    begun = 0

    def on_epoch_begin(self, epoch, logs=None):  # noqa: ARG002
        self.begun += 1


@callbacks
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_run_that_was_finished_before(offline_run, make, tmp_path):
    run, epochs = offline_run(), Epochs()
    callback = make(tmp_path / "model.keras")
    model().fit(*data(), verbose=0, callbacks=[callback])
    run.finish()
    offline_run()

    started = time.monotonic()
    with pytest.raises(wandb.Error, match=f"run '{run.id}' is finished.*make a new"):
        model().fit(*data(), verbose=0, callbacks=[callback, epochs])
    assert epochs.begun == 0
    assert time.monotonic() - started < 20


def test_evaluate_with_a_finished_run(offline_run):
    logger = WandbMetricsLogger(run=(run := offline_run()))
    run.finish()
    with pytest.raises(wandb.Error, match="is finished"):
        model().evaluate(*data(), verbose=0, callbacks=[logger])


@pytest.mark.parametrize(
    "make", [MAKERS[name] for name in ("epochs", "batches", "gradients", "weights", "legacy")]
)
@pytest.mark.parametrize("finisher_comes", ["first", "last"])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_run_that_is_finished_meanwhile(offline_run, make, finisher_comes, tmp_path, monkeypatch):
    run, said = offline_run(), []
    callback = make(tmp_path / "model.keras")
    monkeypatch.setattr(wandb, "termwarn", lambda text, **_: said.append(text))

    class Finish(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):  # noqa: ARG002
            if epoch == 0:
                run.finish()

    epochs = Epochs()
    order = [Finish(), callback, epochs] if finisher_comes == "first" else [callback, Finish()]
    model().fit(*data(), verbose=0, epochs=3, callbacks=order)

    assert [text for text in said if "was finished while a training" in text] == said[:1]
