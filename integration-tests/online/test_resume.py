"""A resumed run goes on: no step is repeated, and none is lost."""

import pytest
import wandb

from wandb_loopback.reading import column, read
from wk_checkpoint import WandbModelCheckpoint, restore
from wk_core.compat.keras.flavour import keras
from wk_eval import ClassificationEval
from wk_metrics import WandbMetricsLogger
from wk_testing.classifier import classes, classifier, images
from wk_testing.scripts import run_script
from wk_testing.training import STEPS, LastSeen, counting_model, fit

FIRST_HALF = """
import sys
import wandb
from wk_metrics import WandbMetricsLogger
from wk_testing.training import counting_model, fit

directory, log_freq = sys.argv[1:]
with wandb.init(project="p", id="resumed"):
    model = counting_model()
    fit(model, callbacks=[WandbMetricsLogger(int(log_freq))])
    model.save(f"{directory}/model.keras")
"""


def resume() -> wandb.Run:
    run = wandb.init(project="p", id="resumed", resume="must")
    assert run.resumed
    return run


def assert_whole(run: wandb.Run, *, every: int, batches: int = 4 * STEPS) -> None:
    """Holds the run on the server against one training of four epochs."""
    seen = read(run)
    expected = list(range(0, batches, every))
    assert column(seen, "batch/batch_step") == expected
    assert column(seen, "batch/seen") == expected
    assert column(seen, "epoch/epoch") == list(range(batches // STEPS))
    assert column(seen, "epoch/seen") == list(range(STEPS - 1, batches, STEPS))
    assert column(seen, "_step") == list(range(len(expected) + batches // STEPS))
    assert seen.state == "finished"


@pytest.mark.usefixtures("wandb_server")
@pytest.mark.parametrize("log_freq", [1, pytest.param(3, marks=pytest.mark.backend_free)])
def test_new_process_with_the_saved_model(tmp_path, log_freq):
    first = run_script(FIRST_HALF, str(tmp_path), str(log_freq))
    assert first.returncode == 0, first.stderr

    model = keras.models.load_model(tmp_path / "model.keras", {"LastSeen": LastSeen})
    with resume() as run:
        fit(model, 2 * STEPS, callbacks=[WandbMetricsLogger(log_freq)])
    assert_whole(run, every=log_freq)


@pytest.mark.usefixtures("wandb_server")
@pytest.mark.parametrize("log_freq", [1, pytest.param(3, marks=pytest.mark.backend_free)])
@pytest.mark.parametrize("restored", [True, False])
@pytest.mark.parametrize("initial_epoch", [0, 2])
def test_same_process(log_freq, restored, initial_epoch):
    model = counting_model()
    with wandb.init(project="p", id="resumed"):
        fit(model, callbacks=[WandbMetricsLogger(log_freq)])

    with resume() as run:
        fit(
            model if restored else counting_model(),
            2 * STEPS,
            initial_epoch=initial_epoch,
            callbacks=[WandbMetricsLogger(log_freq)],
        )
    assert_whole(run, every=log_freq)


@pytest.mark.backend_free
@pytest.mark.usefixtures("wandb_server")
def test_epochs_alone():
    with wandb.init(project="p", id="resumed"):
        fit(counting_model(), callbacks=[WandbMetricsLogger()])
    for _ in range(2):
        with resume() as run:
            fit(counting_model(), callbacks=[WandbMetricsLogger()])

    seen = read(run)
    assert column(seen, "epoch/epoch") == list(range(6))
    assert column(seen, "_step") == list(range(6))
    assert len(column(seen, "epoch/loss")) == 6


@pytest.mark.backend_free
@pytest.mark.usefixtures("wandb_server")
@pytest.mark.parametrize("summary", ["max", "min", "mean", "last", "none", "copy", "min,max"])
def test_summary_as_the_user_wants_it(summary):
    for part in range(2):
        with wandb.init(project="p", id="resumed", resume="allow") as run:
            for axis in ("epoch/epoch", "batch/batch_step"):
                run.define_metric(axis, summary=summary)
            fit(counting_model(), part * 2 * STEPS, callbacks=[WandbMetricsLogger(1)])
    assert_whole(run, every=1)


def classify(*callbacks, epochs, initial_epoch=0, model=None):
    (model or classifier()).fit(
        images(), classes(), epochs=epochs, initial_epoch=initial_epoch, verbose=0,
        callbacks=list(callbacks),
    )  # fmt: skip


def evaluations():
    """Two evaluations, one of which looks at each second epoch of the whole training only."""
    data = (images(), classes())
    return ClassificationEval(data), ClassificationEval(data, name="second", every=2)


def epochs_in_tables(run: wandb.Run, name: str) -> list[int]:
    api, versions = wandb.Api(overrides={"base_url": run.settings.base_url}), []
    for version in api.artifacts("evaluation", f"{run.entity}/{run.project}/{name}"):
        (epoch,) = {row[0] for row in version.get("eval_data").data}
        versions.append(epoch)
    return versions[::-1]


@pytest.mark.backend_free
@pytest.mark.usefixtures("wandb_server")
def test_evaluations_go_on_where_the_metrics_do():
    with wandb.init(project="p", id="resumed"):
        classify(WandbMetricsLogger(), *evaluations(), epochs=3)
    with resume():
        classify(*evaluations(), WandbMetricsLogger(), epochs=1)
        classify(WandbMetricsLogger(), *evaluations(), epochs=2)
    with resume() as run:
        classify(*evaluations(), epochs=8, initial_epoch=7)

    seen = read(run)
    assert column(seen, "epoch/epoch") == list(range(6))
    assert column(seen, "val/epoch") == [*range(6), 7]
    assert column(seen, "second/epoch") == [1, 3, 5, 7]
    assert epochs_in_tables(run, "run_resumed_pred") == [*range(6), 7]
    assert epochs_in_tables(run, "run_resumed_second_pred") == [1, 3, 5, 7]


@pytest.mark.backend_free
@pytest.mark.usefixtures("wandb_server")
def test_evaluations_go_on_from_a_checkpoint(tmp_path):
    path = f"{tmp_path}/{{epoch}}.keras"
    with wandb.init(project="p", id="resumed"):
        classify(*evaluations(), epochs=1)
        classify(*evaluations(), WandbModelCheckpoint(path, "loss"), epochs=3)

    with resume() as run:
        model, callbacks = classifier(), [*evaluations(), WandbModelCheckpoint(path, "loss")]
        state = restore(model, tmp_path / "1.keras", callbacks=callbacks)
        assert state.initial_epoch == 1  # as Keras counts
        classify(*callbacks, epochs=4, initial_epoch=state.initial_epoch, model=model)
    seen = read(run)
    assert column(seen, "val/epoch") == list(range(5))
    assert column(seen, "second/epoch") == [1, 3]
    # Tables of what was trained once more are new versions, unless the server knows them.
    assert set(epochs_in_tables(run, "run_resumed_pred")) == set(range(5))
