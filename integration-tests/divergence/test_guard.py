"""What the guard does when a training diverges."""

import copy
import itertools
import pickle

import keras
import numpy as np
import pytest
import wandb

from divergence.training import compiled, dense, features, targets
from wandb_loopback.reading import read
from wk_checkpoint import WandbModelCheckpoint
from wk_core import CopyError
from wk_core.compat.keras.flavour import backend
from wk_metrics import WandbDivergenceGuard, WandbGradientLogger, WandbMetricsLogger
from wk_testing.resuming import same, values
from wk_testing.training import executions

BATCH, BATCHES = 8, 20
BAD = 13  # the batch, in the second of three epochs


def batches(*bad, value=np.nan):
    """Yields the batches of all epochs; the targets of some, by epoch and number, are bad."""
    x = features()
    y = targets(x)
    for number in itertools.count():
        epoch, batch = divmod(number, BATCHES)
        rows = slice(batch * BATCH, (batch + 1) * BATCH)
        yield x[rows], np.full_like(y[rows], value) if (epoch, batch) in bad else y[rows]


class Losses(keras.callbacks.Callback):
    """Keeps what Keras reports after each epoch, and how many batches were trained."""

    def __init__(self):
        super().__init__()
        self.of_epochs, self.batches = [], 0

    def on_train_batch_end(self, batch, logs=None):  # noqa: ARG002
        self.batches += 1

    def on_epoch_end(self, epoch, logs=None):  # noqa: ARG002
        self.of_epochs.append(logs["loss"])


def model(rate=0.05, **arguments):
    keras.utils.set_random_seed(3)
    optimizer = rate if isinstance(rate, keras.optimizers.Optimizer) else keras.optimizers.SGD(rate)
    return compiled(dense(), optimizer, **arguments)


def train(*callbacks, model, bad=((1, BAD),), value=np.nan, epochs=3):
    model.fit(
        batches(*bad, value=value),
        steps_per_epoch=BATCHES,
        epochs=epochs,
        shuffle=False,
        verbose=0,
        callbacks=list(callbacks),
    )
    return model


@pytest.fixture
def said(monkeypatch):
    """Returns what is said."""
    texts = []
    for level in ("termwarn", "termlog"):
        monkeypatch.setattr(wandb, level, lambda text, **_: texts.append(text))
    return texts


@pytest.fixture(autouse=True)
def inside(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("steps", executions(3))
def test_the_true_number_of_the_batch_is_named_in_summary_and_message(steps, offline_run, said):
    run, losses = offline_run(), Losses()
    guard = WandbDivergenceGuard(norms_every=1)
    train(guard, losses, model=model(steps_per_execution=steps))
    summary = run.summary
    assert summary["divergence/step"] == BATCHES + BAD
    assert summary["divergence/kind"] == "gradient not finite"
    assert summary["divergence/origin"] == "loss"
    assert (summary["divergence/layer"], summary["divergence/weight"]) == ("head", "head/kernel")
    assert summary["divergence/value"] == "nan"
    assert 0 < summary["divergence/usual"] < 100
    assert "divergence/optimizer" not in summary.keys()  # noqa: SIM118
    (text,) = said
    assert f"head/kernel of layer head became nan in batch {BATCHES + BAD}" in text
    assert len(losses.of_epochs) == 3  # training went on


def test_training_stops_within_an_interval(offline_run):
    run, losses = offline_run(), Losses()
    train(WandbDivergenceGuard(action="stop", norms_every=1), losses, model=model())
    assert run.summary["divergence/step"] == BATCHES + BAD
    assert len(losses.of_epochs) == 2
    assert losses.batches <= BATCHES + BAD + 12


@pytest.mark.parametrize("alert", [True, False])
def test_an_alert_is_sent_if_asked(alert, wandb_server):
    with wandb.init(project="p") as run:
        train(WandbDivergenceGuard(alert=alert, norms_every=1), model=model())
    assert read(run).summary["divergence/value"] == "nan"
    assert len(wandb_server.requests(operation="NotifyScriptableRunAlert")) == alert


def test_a_rollback_puts_the_model_back_and_lowers_the_rate(offline_run, read_back):
    run, losses = offline_run(), Losses()
    guard = WandbDivergenceGuard(action="rollback", rate_factor=0.1, norms_every=1)
    checkpoint = WandbModelCheckpoint("model.keras", "loss")
    trained = train(checkpoint, guard, losses, model=model(0.05))
    assert all(np.isfinite(value).all() for value in values(trained))
    assert float(trained.optimizer.learning_rate) == pytest.approx(0.005)
    assert len(losses.of_epochs) == 3
    assert np.isfinite(losses.of_epochs[2])
    (row,) = read_back(run).rows("divergence/rollbacks")
    assert row["divergence/rollbacks"] == 1
    assert row["divergence/step"] == BATCHES + BAD
    assert row["divergence/restored"] == "epoch_0"
    assert row["divergence/learning_rate"] == pytest.approx(0.005)
    assert row["divergence/layer"] == "head"


def test_with_a_factor_of_one_batches_are_skipped_only(offline_run, read_back):
    run = offline_run()
    schedule = keras.optimizers.schedules.ExponentialDecay(0.05, 10, 0.9)
    guard = WandbDivergenceGuard(action="rollback", rate_factor=1, norms_every=1)
    checkpoint = WandbModelCheckpoint("model.keras", "loss", save_freq=2)
    trained = train(checkpoint, guard, model=model(keras.optimizers.SGD(schedule)))
    assert all(np.isfinite(value).all() for value in values(trained))
    (row,) = read_back(run).rows("divergence/rollbacks")
    assert row["divergence/restored"] == "epoch_1_batch_11"
    assert "divergence/learning_rate" not in row


def test_after_the_last_rollback_training_stops(offline_run, read_back, said):
    run, losses = offline_run(), Losses()
    guard = WandbDivergenceGuard(action="rollback", max_rollbacks=2, norms_every=1)
    checkpoint = WandbModelCheckpoint("model.keras", "loss")
    bad = [(1, 0), (2, 5), (3, 19), (4, 3)]
    trained = train(checkpoint, guard, losses, model=model(0.05), bad=bad, epochs=6)
    written = read_back(run)
    assert written.column("divergence/rollbacks") == [1, 2]
    assert float(trained.optimizer.learning_rate) == pytest.approx(0.05 / 4)
    assert len(losses.of_epochs) == 4
    assert any("stops training: it was put back 2 times" in text for text in said)
    assert written.summary["divergence/step"] == 3 * BATCHES + 19


def test_without_a_good_checkpoint_training_stops(offline_run, said):
    offline_run()
    losses = Losses()
    guard = WandbDivergenceGuard(action="rollback", norms_every=1)
    checkpoint = WandbModelCheckpoint("model.keras", "loss")
    train(checkpoint, guard, losses, model=model(), bad=[(0, 2)])
    assert len(losses.of_epochs) == 1
    assert any("stops training, since it cannot be put back" in text for text in said)


def test_what_explodes_in_an_epoch_is_put_back_before_it_is_saved(offline_run, read_back, said):
    run = offline_run()
    checkpoint = WandbModelCheckpoint("model.keras", "loss")
    guard = WandbDivergenceGuard(action="rollback", norms_every=1)
    trained = train(checkpoint, guard, model=model(), bad=[(1, BATCHES - 1)], value=1e9)
    assert all(np.abs(value).max() < 100 for value in values(trained))
    (row,) = read_back(run).rows("divergence/rollbacks")
    assert row["divergence/kind"] == "gradient exploded"
    assert row["divergence/restored"] == "epoch_0"
    assert not any("stops training" in text for text in said)


def test_a_checkpoint_that_was_saved_after_an_explosion_is_no_good_one(offline_run, said):
    offline_run()
    checkpoint = WandbModelCheckpoint("model.keras", "loss", save_freq=1)
    guard = WandbDivergenceGuard(action="rollback", norms_every=1)
    losses = Losses()
    train(checkpoint, guard, losses, model=model(), value=1e9)
    assert any("was saved after batch" in text for text in said)
    assert len(losses.of_epochs) == 2


def test_a_rollback_needs_checkpoints_and_a_rate_that_can_be_set(offline_run):
    offline_run()
    guard = WandbDivergenceGuard(action="rollback")
    with pytest.raises(ValueError, match="add a WandbModelCheckpoint"):
        train(guard, model=model())
    schedule = keras.optimizers.schedules.ExponentialDecay(0.05, 10, 0.9)
    checkpoint = WandbModelCheckpoint("model.keras", "loss")
    with pytest.raises(ValueError, match="pass `rate_factor=1` to keep it"):
        train(checkpoint, guard, model=model(keras.optimizers.SGD(schedule)))


@pytest.mark.parametrize(
    "arguments",
    [
        {"action": "pause"},
        {"max_rollbacks": 0},
        {"rate_factor": 0},
        {"rate_factor": 2},
        {"norms_every": 0},
    ],
)
def test_arguments_are_checked_before_training(arguments, offline_run):
    offline_run()
    (name,) = arguments
    with pytest.raises(ValueError, match=f"`{name}` must be"):
        WandbDivergenceGuard(**arguments)


def test_training_is_the_same_with_a_guard_and_other_callbacks(offline_run):
    offline_run()
    plain = values(train(model=model(), bad=[]))
    callbacks = [WandbMetricsLogger("batch"), WandbDivergenceGuard(), WandbGradientLogger()]
    for chosen in (callbacks[1:2], callbacks):
        watched = model()
        own = watched.make_train_function()
        train(*chosen, model=watched, bad=[])
        assert same(values(watched), plain)
        assert watched.train_function is own or own is None


@pytest.mark.skipif(backend() == "jax", reason="Keras freezes no layers within a `fit` on JAX")
def test_a_model_that_is_compiled_anew_is_guarded_on(offline_run):
    class Freeze(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):  # noqa: ARG002
            if epoch == 1:
                self.model.layers[0].trainable = False
                compiled(self.model, keras.optimizers.SGD(0.01))
                self.model.make_train_function(force=True)

    run = offline_run()
    train(Freeze(), WandbDivergenceGuard(norms_every=1), model=model())
    assert run.summary["divergence/step"] == BATCHES + BAD
    assert run.summary["divergence/origin"] == "loss"


def test_a_guard_can_be_copied_outside_of_a_fit(offline_run):
    run = offline_run()
    guard = WandbDivergenceGuard(action="stop", norms_every=1)

    class Copy(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):  # noqa: ARG002
            with pytest.raises(CopyError):
                copy.deepcopy(guard)

    train(guard, Copy(), model=model(), bad=[], epochs=1)
    for other in (copy.deepcopy(guard), pickle.loads(pickle.dumps(guard))):
        losses = Losses()
        train(other, losses, model=model())
        assert len(losses.of_epochs) == 2
    assert run.summary["divergence/origin"] == "loss"


def test_in_a_disabled_run_training_stops_too():
    with wandb.init(mode="disabled"):
        losses = Losses()
        train(WandbDivergenceGuard(action="stop"), losses, model=model())
        assert len(losses.of_epochs) == 2
