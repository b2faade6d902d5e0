"""A process that is told to go away."""

import json

import pytest

from wk_checkpoint import WandbModelCheckpoint, restore
from wk_checkpoint.preemption import Preemption
from wk_core.compat.keras.flavour import backend
from wk_testing.resuming import BATCHES, Shuffled, X, Y, random_model, same, values
from wk_testing.scripts import run_script

SCRIPT = """
import os, signal, sys
import wandb
from wk_checkpoint import WandbModelCheckpoint
from wk_core.compat.keras.flavour import keras
from wk_testing.resuming import X, Y, Shuffled, random_model

class Terminate(keras.callbacks.Callback):
    def on_{where}_batch_begin(self, batch, logs=None):
        if batch == 3 and self.epoch == 1:
            os.kill(os.getpid(), signal.SIGTERM)

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

signal.signal(signal.SIGTERM, lambda *_: print("previous handler"))
with wandb.init(project="p", mode="offline") as run:
    checkpoint = WandbModelCheckpoint("model.keras", preemption=True)
    random_model().fit(
        Shuffled(), validation_data=(X, Y), validation_batch_size=8, epochs=4, shuffle=False,
        verbose=0, callbacks=[checkpoint, Terminate()],
    )
"""


@pytest.fixture(autouse=True)
def inside(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(("where", "batch"), [("train", 4), ("test", 8)])
def test_ends_with_a_checkpoint_and_goes_on(inside, offline_run, where, batch):
    process = run_script(SCRIPT.format(where=where))
    assert process.returncode == 75, process.stderr
    assert process.stdout == "previous handler\n"
    *_, facts = sorted(inside.glob("wandb/checkpoints/*/*/*/version.json"))
    assert f"epoch_1_batch_{batch - 1}" in json.loads(facts.read_text())["aliases"]

    offline_run()
    arguments = {
        "validation_data": (X, Y), "validation_batch_size": 8, "epochs": 4, "shuffle": False,
        "verbose": 0,
    }  # fmt: skip
    expected = random_model()
    history = expected.fit(Shuffled(), **arguments)
    model = random_model(seed=0)
    callbacks = [WandbModelCheckpoint("again.keras")]
    state = restore(model, "model.keras", callbacks=callbacks)
    assert (state.initial_epoch, state.batch) == (1, batch)
    rest = state.fit(model, Shuffled(1), callbacks=callbacks, **arguments)
    if (where, backend()) == ("test", "torch"):
        assert state.global_step == 2 * BATCHES
        pytest.skip("not bit for bit: validation has drawn of the numbers that dropout draws next")
    assert same(values(model), values(expected))
    # Of a trained epoch there is what its last step computed, not what Keras computes from that.
    assert rest.history["loss"] == pytest.approx(history.history["loss"][1:], rel=1e-6)
    assert rest.history["val_loss"] == history.history["val_loss"][1:]


@pytest.mark.backend_free
def test_needs_the_main_thread(offline_run):
    import threading

    offline_run()
    checkpoint = WandbModelCheckpoint("model.keras", preemption=True)
    raised = []

    def fit():
        try:
            random_model().fit(Shuffled(), verbose=0, shuffle=False, callbacks=[checkpoint])
        except RuntimeError as error:
            raised.append(str(error))

    thread = threading.Thread(target=fit)
    thread.start()
    thread.join()
    assert len(raised) == 1
    assert "main thread" in raised[0]


FORKED = """
import multiprocessing, signal, time
import wandb
from wk_checkpoint.preemption import Preemption

def work():
    begun.set()
    time.sleep(30)

preemption = Preemption(wandb.init(mode="disabled"))
preemption.install()
fork = multiprocessing.get_context("fork")
begun = fork.Event()
worker = fork.Process(target=work)
worker.start()
begun.wait()  # a signal in the instant of the fork itself is one that Python forgets
worker.terminate()
worker.join()
assert worker.exitcode == -signal.SIGTERM, worker.exitcode
assert not preemption.requested
"""


@pytest.mark.backend_free
def test_forked_worker_ends_at_once():
    process = run_script(FORKED, KERAS_BACKEND="jax")
    assert process.returncode == 0, process.stderr


LATE = """
import os, signal, sys
import wandb
from wk_checkpoint import WandbModelCheckpoint
from wk_core.compat.keras.flavour import keras
from wk_testing.resuming import Shuffled, random_model

hook, position, chains = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "chains"

def terminate(*_, **__):
    if model.stop_training or hook == "on_train_end":
        os.kill(os.getpid(), signal.SIGTERM)

class Last(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        self.model.stop_training = epoch == 1

class Own(keras.callbacks.Callback):
    def on_train_begin(self, logs=None):
        if chains:
            signal.signal(signal.SIGTERM, lambda *arguments: (print("own"), ours(*arguments)))

model = random_model()
late = keras.callbacks.Callback()
setattr(late, hook, terminate)
with wandb.init(project="p", mode="offline") as run:
    checkpoint = WandbModelCheckpoint(
        "model.keras", "loss", save_best_only=True, initial_value_threshold=-1.0, preemption=True
    )
    ours = checkpoint._session.preemption._handle
    callbacks = [Last(), checkpoint, Own()]
    callbacks.insert(position, late)
    model.fit(Shuffled(), epochs=4, shuffle=False, verbose=0, callbacks=callbacks)
print("went on")
"""


@pytest.mark.backend_free
@pytest.mark.parametrize(
    ("hook", "position", "chains"),
    [("on_train_end", 0, "-"), ("on_epoch_end", 3, "-"), ("on_epoch_end", 0, "chains")],
)
def test_signal_while_fit_ends(inside, hook, position, chains):
    process = run_script(LATE, hook, str(position), chains)
    assert process.returncode == 75, process.stderr
    assert process.stdout.split() == (["own"] if chains == "chains" else [])
    # Nothing was better than the threshold; the checkpoint is taken in any case.
    assert restore(random_model(), inside / "model.keras").initial_epoch == 2


@pytest.mark.backend_free
def test_handler_that_was_set_during_the_fit_stays():
    import signal

    import wandb

    called = []
    before = signal.signal(signal.SIGTERM, lambda *_: called.append("before"))
    try:
        with wandb.init(mode="disabled") as run:
            preemption = Preemption(run)
            preemption.install()
            ours = signal.getsignal(signal.SIGTERM)

            def mine(*arguments):
                called.append("mine")
                ours(*arguments)

            signal.signal(signal.SIGTERM, mine)
            preemption.uninstall()
            assert signal.getsignal(signal.SIGTERM) is mine
            signal.raise_signal(signal.SIGTERM)
            assert called == ["mine", "before"]
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.backend_free
def test_path_with_a_metric_that_is_not_known_yet(inside):
    script = SCRIPT.format(where="train").replace('"model.keras"', '"{val_loss:.2f}.keras"')
    process = run_script(script)
    assert process.returncode == 75, process.stderr
    assert (inside / "nan.keras").exists()
