"""What is called inside a `fit` with its callbacks changes nothing of what they save."""

import json

import numpy as np
import pytest
import wandb

from wk_checkpoint import WandbModelCheckpoint, restore
from wk_core.compat.keras.flavour import LEGACY, keras
from wk_metrics import WandbMetricsLogger
from wk_testing.resuming import BATCHES, Shuffled, X, Y, random_model, same, values


@pytest.fixture(autouse=True)
def inside(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Call(keras.callbacks.Callback):
    """Calls something in a hook."""

    def __init__(self, hook, task):
        super().__init__()
        setattr(self, hook, lambda *_, **__: task(self.model))


def fit(*callbacks, epochs=1, model=None, **arguments):
    model = model or random_model()
    model.fit(
        Shuffled(), epochs=epochs, verbose=0, shuffle=False, callbacks=[*callbacks], **arguments
    )
    return model


def saved_of(file):
    """Returns aliases and metadata of what a run's file logs, in order."""
    return [
        (set(one.aliases) - {"latest", "best"}, json.loads(one.metadata)) for one in file.artifacts
    ]


def evaluate(model, callbacks):
    model.evaluate(X[:10], Y[:10], batch_size=5, verbose=0, callbacks=callbacks)


def predict(model, callbacks):
    model.predict(X[:10], batch_size=5, verbose=0, callbacks=callbacks)


def evaluate_another(model, callbacks):  # noqa: ARG001
    evaluate(random_model(seed=3), callbacks)


@pytest.mark.parametrize("call", [evaluate, predict, evaluate_another])
@pytest.mark.parametrize(
    "hook", ["on_epoch_end", pytest.param("on_train_batch_end", marks=pytest.mark.backend_free)]
)
def test_evaluation_with_the_same_callbacks(offline_run, read_back, inside, call, hook):
    run = offline_run()
    stopping = keras.callbacks.EarlyStopping("loss", patience=9)
    checkpoint = WandbModelCheckpoint("m-{epoch}-{batch}.keras", "loss", save_freq=5)
    ours = [checkpoint, stopping]
    model = random_model()
    arguments = {} if hook == "on_epoch_end" else {"validation_data": (X, Y)}
    fit(*ours, Call(hook, lambda model: call(model, ours)), model=model, epochs=2, **arguments)
    assert [aliases for aliases, _ in saved_of(read_back(run))] == [
        {f"epoch_{number // BATCHES}_batch_{number % BATCHES}"} for number in (4, 9, 14)
    ]
    if not LEGACY:  # where a callback does not see the others
        again = keras.callbacks.EarlyStopping("loss", patience=9)
        restore(random_model(), inside / "m-2-7.keras", callbacks=[checkpoint, again])


def test_model_is_that_of_the_fit(offline_run, inside):
    offline_run()
    ours = [WandbModelCheckpoint("m.keras", "loss")]
    other = random_model(seed=3)
    model = fit(*ours, Call("on_epoch_end", lambda _: evaluate(other, ours)))
    again = random_model(seed=0)
    restore(again, inside / "m.keras")
    assert same(values(again), values(model))


def test_evaluation_outside_of_a_fit(offline_run, read_back):
    run = offline_run()
    ours = [WandbModelCheckpoint("m.keras", "loss", save_freq=3, preemption=True)]
    evaluate(random_model(), ours)
    model = fit(*ours)
    evaluate(model, ours)
    assert len(saved_of(read_back(run))) == BATCHES // 3


@pytest.mark.backend_free
@pytest.mark.parametrize("raises", [False, True])
def test_fit_in_a_fit(offline_run, read_back, raises):
    run = offline_run()
    checkpoint = WandbModelCheckpoint("m.keras", "loss", save_freq=5)
    inner = random_model(seed=3)
    fail = Call("on_train_batch_begin", lambda _: 1 / 0)

    def call(model):  # noqa: ARG001
        if raises:
            with pytest.raises(ZeroDivisionError):
                fit(checkpoint, fail, model=inner)
        else:
            inner.fit(X[:8], Y[:8], batch_size=4, verbose=0, callbacks=[checkpoint])

    fit(checkpoint, Call("on_epoch_end", call), epochs=2)
    names = [aliases for aliases, _ in saved_of(read_back(run))]
    assert names == [{"epoch_0_batch_4"}, {"epoch_1_batch_1"}, {"epoch_1_batch_6"}]


@pytest.mark.parametrize("logger", [True, False])
def test_loop_of_fits(offline_run, read_back, inside, logger):
    run = offline_run()
    ours = [WandbModelCheckpoint("loop-{epoch}.keras", "loss")]
    if logger:
        ours = [*ours, WandbMetricsLogger()]
    model = random_model()
    seen = []
    for number in range(4):
        if number == 2:  # with new callbacks, too
            ours = [type(ours[0])("loop-{epoch}.keras", "loss"), *ours[1:]]
        fit(*ours, model=model)
        seen.append(values(model))
    for number in range(4):
        again = random_model(seed=0)
        assert restore(again, f"epoch_{number}").initial_epoch == number + 1
        assert same(values(again), seen[number])
    # In the next process the count goes on, whether Keras is told of it or not.
    ours = [WandbModelCheckpoint("loop-{epoch}.keras", "loss")]
    model = random_model()
    state = restore(model, "latest", callbacks=ours)
    assert state.initial_epoch == 4
    fit(*ours, model=model)
    model.fit(Shuffled(), initial_epoch=5, epochs=6, verbose=0, callbacks=ours)
    assert restore(model, "latest").initial_epoch == 6
    file = read_back(run)
    assert [(aliases, of["epoch"]) for aliases, of in saved_of(file)] == [
        ({f"epoch_{number}"}, number) for number in range(6)
    ]
    assert sorted(path.name for path in inside.glob("*.keras")) == ["loop-1.keras", "loop-6.keras"]
    if logger:
        assert file.column("epoch/epoch") == list(range(4))


def test_another_model_of_the_run_starts_its_training_anew(offline_run, read_back):
    """The chart goes on, and the aliases with it; `model.fit` of the second model does not."""
    run = offline_run()
    for number in range(2):
        model = random_model(seed=number)
        fit(WandbModelCheckpoint("m.keras", "loss"), model=model, epochs=2)
        assert restore(model, "latest").initial_epoch == 2
    names = [aliases for aliases, _ in saved_of(read_back(run))]
    assert names == [{f"epoch_{number}"} for number in range(4)]


@pytest.mark.backend_free
def test_loop_of_ones_own(offline_run, read_back):
    run = offline_run()
    checkpoint, model = WandbModelCheckpoint("m.keras", "loss"), random_model()
    checkpoint.set_model(model)
    for epoch in range(2):
        checkpoint.on_epoch_begin(epoch)
        for batch in range(2):
            loss = model.train_on_batch(X, Y)[0]
            checkpoint.on_train_batch_end(batch, {"loss": loss})
        checkpoint.on_epoch_end(epoch, {"loss": float(np.float32(loss))})
    checkpoint.on_train_end()
    assert [aliases for aliases, _ in saved_of(read_back(run))] == [{"epoch_0"}, {"epoch_1"}]


@pytest.mark.backend_free
@pytest.mark.parametrize("hook", ["on_epoch_end", "on_train_end"])
def test_run_that_is_finished_before_the_last_checkpoint(offline_run, inside, monkeypatch, hook):
    run = offline_run()
    said = []
    monkeypatch.setattr(wandb, "termwarn", lambda text, **_: said.append(text))

    class Finish(keras.callbacks.Callback):
        def finish(self):
            if self.ended == 3:
                run.finish()

        def on_epoch_end(self, epoch, logs=None):  # noqa: ARG002
            self.ended = epoch + 1
            if hook == "on_epoch_end":
                self.finish()

        def on_train_end(self, logs=None):  # noqa: ARG002
            self.finish()

    model = fit(Finish(), WandbModelCheckpoint("m.keras", "loss"), epochs=3)
    again = random_model(seed=0)
    assert restore(again, inside / "m.keras").initial_epoch == 3
    assert same(values(again), values(model))
    said = [text for text in said if "WandbModelCheckpoint" in text]
    assert len(said) == (hook == "on_epoch_end")
    assert all("epoch_2, which is saved, but not logged" in text for text in said)
