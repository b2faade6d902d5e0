"""A process that is told to go away."""

import json

import pytest

from wk_checkpoint import WandbModelCheckpoint, restore
from wk_core.keras import backend
from wk_testing.resuming import BATCHES, Shuffled, X, Y, random_model, same, values
from wk_testing.scripts import run_script

SCRIPT = """
import os, signal, sys
import wandb
from wk_checkpoint import WandbModelCheckpoint
from wk_core.keras import keras
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
