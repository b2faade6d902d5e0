"""`WandbCallback` and the loggers it is made of go on in a run that is resumed."""

import pytest
import wandb

from wandb_loopback.reading import column, read_path
from wk_core.compat.keras.flavour import keras
from wk_legacy import WandbCallback
from wk_metrics import WandbWeightLogger
from wk_testing.classifier import classes, classifier, images

pytestmark = pytest.mark.backend_free


class Say(keras.callbacks.Callback):
    """Has Keras report values of `val_loss`, one an epoch, to the callbacks behind it."""

    def __init__(self, *values):
        super().__init__()
        self._values = values

    def on_epoch_end(self, epoch, logs=None):
        logs["val_loss"] = self._values[epoch]


def train(*values):
    callbacks = [Say(*values), WandbCallback()]
    model = classifier()
    model.fit(images(), classes(), epochs=len(values), verbose=0, callbacks=callbacks)


def test_best_value_of_a_resumed_run(wandb_server):
    with wandb.init(project="p", mode="online", name="its name") as run:
        train(1.0)
    with wandb.init(project="p", mode="online", id=run.id, resume="must"):
        train(2.0, 0.5, 0.7)

    seen = read_path(f"p/{run.id}", wandb_server.url)
    assert seen.summary["best_val_loss"] == 0.5
    assert seen.summary["best_epoch"] == 1
    models = [each for each in seen.logged_artifacts() if each.type == "model"]
    assert {each.name.partition(":")[0] for each in models} == {"model-its-name"}
    assert [set(each.aliases) for each in models] == [
        {"epoch_0"},
        {"latest", "best", "epoch_1"},
    ]


def test_epochs_of_a_resumed_run(wandb_server):
    with wandb.init(project="p", mode="online") as run:
        classifier().fit(images(), classes(), epochs=2, verbose=0, callbacks=[WandbWeightLogger()])
    with wandb.init(project="p", mode="online", id=run.id, resume="must"):
        classifier().fit(images(), classes(), epochs=1, verbose=0, callbacks=[WandbWeightLogger()])
    assert column(read_path(f"p/{run.id}", wandb_server.url), "epoch") == [0, 1, 2]
