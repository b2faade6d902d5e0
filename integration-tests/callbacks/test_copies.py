"""Callbacks that are copied and pickled, as by cross-validation, tuners and scikeras."""

import copy
import pickle

import numpy as np
import pytest
import wandb

from wk_checkpoint import Retention, WandbModelCheckpoint
from wk_core.callback import CopyError
from wk_core.compat.keras.flavour import LEGACY, keras
from wk_eval import (
    ClassificationEval,
    DetectionEval,
    RegressionEval,
    SegmentationEval,
    TextClassificationEval,
    TokenClassificationEval,
    WandbEvalCallback,
)
from wk_legacy import WandbCallback
from wk_metrics import WandbGradientLogger, WandbMetricsLogger, WandbWeightLogger
from wk_testing.classifier import classes, classifier, images
from wk_testing.scripts import run_script

COPIES = {"deepcopy": copy.deepcopy, "pickle": lambda each: pickle.loads(pickle.dumps(each))}


class Numbers(WandbEvalCallback):
    """An evaluation that a user has written."""

    def __init__(self, x, **arguments):
        super().__init__(["id"], ["epoch", "id", "prediction"], **arguments)
        self.x = x

    def add_ground_truth(self, logs=None):  # noqa: ARG002
        for number in range(len(self.x)):
            self.data_table.add_data(number)

    def add_model_predictions(self, epoch, logs=None):  # noqa: ARG002
        predictions = self.model.predict(self.x, verbose=0).argmax(axis=-1)
        for number, prediction in enumerate(predictions):
            self.pred_table.add_data(epoch, number, int(prediction))


# Pickled by its name.
Numbers.__module__, Numbers.__qualname__ = "wk_testing", "Numbers"


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    import wk_testing

    monkeypatch.setattr(wk_testing, "Numbers", Numbers, raising=False)


@pytest.fixture
def callbacks(tmp_path):
    """Returns a function that makes one callback of each kind that a classifier takes."""

    def make(**arguments):
        path = tmp_path / "models" / "{epoch}.weights.h5"
        return [
            WandbMetricsLogger(2, throughput=True, log_model_info=True, **arguments),
            WandbModelCheckpoint(
                path,
                monitor="loss",
                save_weights_only=True,
                preemption=True,
                retention=Retention(last=1),
                **arguments,
            ),
            Numbers(images(), **arguments),
            # A generator can neither be copied nor drawn from twice.
            ClassificationEval((pair for pair in [(images(), classes())]), name="gen", **arguments),
        ]

    return make


def fit(callbacks, epochs=1):
    classifier().fit(
        images(),
        classes(),
        batch_size=2,
        epochs=epochs,
        shuffle=False,
        verbose=0,
        callbacks=callbacks,
    )


def assert_is_told_of(file, run, epochs):
    """Holds what a run has written against one `fit` with those callbacks."""
    assert file.column("epoch/epoch") == list(range(epochs))
    assert file.column("batch/batch_step") == list(range(0, 3 * epochs, 2))
    assert file.column("gen/epoch") == list(range(epochs))
    assert file.config["model_info"]["parameters"]["total"] == 63
    names = [artifact.name for artifact in file.artifacts]
    for name in ("model", "pred", "gen_pred"):
        assert names.count(f"run_{run.id}_{name}") == epochs
    assert names.count("val") == names.count("gen") == 1


def test_each_fold_reports_to_its_own_run(callbacks, offline_run, read_back):
    first = offline_run()
    originals = callbacks()
    copies = {how: make(originals) for how, make in COPIES.items()}
    for each in copies.values():  # of copies, too
        each[:] = copy.deepcopy(each)
    assert b"sdk.wandb_run" not in pickle.dumps(originals)
    fit(originals, epochs=2)
    copies["after a fit"] = copy.deepcopy(originals)
    assert_is_told_of(read_back(first), first, epochs=2)

    for each in copies.values():
        run = offline_run()
        fit(each)
        assert_is_told_of(read_back(run), run, epochs=1)


def test_copies_of_the_callback_that_does_everything(offline_run, read_back):
    first = offline_run()
    data = images(), classes()
    everything = WandbCallback(
        "loss", log_batch_frequency=2, log_evaluation=True, validation_data=data
    )
    originals = [everything, WandbGradientLogger(data), WandbWeightLogger()]
    copies = [make(originals) for make in COPIES.values()]
    fit(originals)
    first.finish()
    for each in [*copies, copy.deepcopy(originals)]:
        run = offline_run()
        fit(each)
        written = read_back(run)
        assert len(written.column("loss")) == 3  # the batches 0 and 2, and the epoch
        assert len(written.column("gradients/global_norm")) == 1
        assert any(key.startswith("parameters/") for row in written.history for key in row)
        names = [artifact.name for artifact in written.artifacts]
        assert {"wb_validation_data", f"model-{run.id}"} <= set(names)


@pytest.mark.backend_free
@pytest.mark.parametrize("make", COPIES.values(), ids=COPIES)
def test_a_run_that_was_given_stays(make, offline_run, read_back):
    active, given = offline_run(), offline_run(reinit="create_new")
    duplicate = make(WandbMetricsLogger(run=given))
    fit([duplicate])
    assert read_back(given).column("epoch/epoch") == [0]
    assert read_back(active).history == []

    with pytest.raises(wandb.Error, match=f"run '{given.id}' is finished"):
        fit([make(duplicate)])


@pytest.mark.backend_free
def test_a_copy_needs_a_run_when_its_fit_begins(offline_run):
    run = offline_run()
    duplicate = copy.deepcopy(WandbMetricsLogger())
    run.finish()
    with pytest.raises(wandb.Error, match="before the `fit` of a copy"):
        fit([duplicate])


OTHER_PROCESS = """
import pickle, sys
import wandb
from wk_testing.classifier import classes, classifier, images

directory, run_id = sys.argv[1:]
with open(f"{directory}/callbacks", "rb") as file:
    active, given = pickle.load(file)

def fit(callback):
    classifier().fit(images(), classes(), verbose=0, callbacks=[callback])

with wandb.init(dir=directory) as run:
    fit(active)
    try:
        fit(given)
    except wandb.Error as error:
        print(error)
with wandb.init(dir=directory, id=run_id, resume="allow"):
    fit(given)
"""


@pytest.mark.backend_free
def test_another_process(offline_run, tmp_path):
    offline_run()
    given = offline_run(reinit="create_new", id="given")
    callbacks = [WandbMetricsLogger("batch"), WandbMetricsLogger(run=given)]
    (tmp_path / "callbacks").write_bytes(pickle.dumps(callbacks))
    process = run_script(OTHER_PROCESS, str(tmp_path), "given", KERAS_BACKEND="jax")
    assert process.returncode == 0, process.stderr
    assert "reports to run 'given', which was passed as `run=` in another process" in process.stdout


@pytest.mark.backend_free
@pytest.mark.parametrize("make", COPIES.values(), ids=COPIES)
def test_not_during_a_fit(make, callbacks, offline_run):
    offline_run()
    errors = []

    class Copier(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):  # noqa: ARG002
            for callback in chosen:
                with pytest.raises(CopyError, match="cannot be copied or pickled while") as raised:
                    make(callback)
                errors.append(str(raised.value).split()[0])

    chosen = callbacks()
    fit([*chosen, Copier()])
    assert errors == [type(callback).__name__ for callback in chosen]


@pytest.mark.backend_free
def test_not_between_restore_and_fit(offline_run):
    offline_run()
    logger = WandbMetricsLogger()
    logger.on_epoch_begin = lambda *_: None  # as `restore` waits for its turn
    with pytest.raises(CopyError, match="between `restore` and the `fit`"):
        copy.deepcopy(logger)


@pytest.mark.backend_free
@pytest.mark.skipif(LEGACY, reason="Keras 2 dispatches nothing asynchronously")
@pytest.mark.parametrize("make", COPIES.values(), ids=COPIES)
def test_batch_hooks_stay_left_to_keras(make, offline_run, tmp_path):
    offline_run()
    for callback in (WandbMetricsLogger(), WandbModelCheckpoint(tmp_path / "m.keras")):
        hook = make(callback).on_train_batch_end
        assert hook.__func__ is keras.callbacks.Callback.on_train_batch_end
        assert hook.__self__ is not callback


@pytest.mark.backend_free
def test_every_ready_made_evaluation(offline_run):
    offline_run()
    boxes = {"boxes": np.zeros((6, 1, 4)), "labels": np.zeros((6, 1), int)}
    evaluations = [
        ClassificationEval((images(), classes()), labels=["a", "b", "c"], num_samples=2),
        RegressionEval((np.zeros((6, 2)), np.zeros(6)), num_samples=2),
        SegmentationEval((images(), np.zeros((6, 5, 4), int)), num_samples=2),
        DetectionEval((images(), boxes), labels=["cat"], num_samples=2),
        TextClassificationEval((np.array(["a b"] * 6), classes()), num_samples=2),
        TokenClassificationEval((np.ones((6, 3), int), np.ones((6, 3), int)), num_samples=2),
    ]
    for original in evaluations:
        for make in COPIES.values():
            duplicate = make(original)
            assert duplicate._samples.count == 2
            assert duplicate._name == original._name
        assert copy.deepcopy(original)._samples is original._samples


@pytest.mark.backend_free
def test_copies_take_a_state_before_their_fit(offline_run, read_back):
    first = offline_run()
    original = WandbMetricsLogger()
    state = original.get_training_state() | {"next_epoch": 3, "next_batch": 12}
    twin = copy.deepcopy(original)
    first.finish()
    run = offline_run()
    twin.set_training_state(state)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(loss="mse")
    x = keras.ops.ones((4, 1))
    model.fit(x, x, epochs=2, verbose=0, callbacks=[twin])
    assert read_back(run).column("epoch/epoch") == [3, 4]
