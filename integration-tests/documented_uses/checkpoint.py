"""The documented uses of `WandbModelCheckpoint`."""

import contextlib
import io
from datetime import timedelta

import numpy as np

from documented_uses.recorder import Recorder
from documented_uses.training import VALIDATION, X, fit, linear_model, sgd
from documented_uses.use import NotPossibleError, use
from wk_checkpoint import Retention, WandbModelCheckpoint, restore
from wk_core.compat.keras.flavour import backend, keras

_NO_SAVED_MODEL = "Keras writes no SavedModel on PyTorch" if backend() == "torch" else ""


@use()
def keras_archive(record: Recorder) -> None:
    """Saves each epoch, with the epoch and a metric in the path."""
    with record.run():
        checkpoint = WandbModelCheckpoint("models/{epoch:02d}-{val_loss:.2f}.keras")
        fit(linear_model(), [checkpoint], validation_data=VALIDATION)
        record.note("is Keras' own", isinstance(checkpoint, keras.callbacks.ModelCheckpoint))
        note_restored(record, "latest")


@use()
def hdf5(record: Recorder) -> None:
    """Saves whole models as HDF5, with one more ending."""
    with record.run():
        fit(linear_model(), [WandbModelCheckpoint("model.h5", "loss")])
    note_restored(record, "model.h5")


@use()
def weights_alone(record: Recorder) -> None:
    """Saves the weights and the optimizer as HDF5."""
    with record.run():
        fit(linear_model(), [WandbModelCheckpoint("m.weights.h5", "loss", save_weights_only=True)])
    note_restored(record, "m.weights.h5")


@use(missing=_NO_SAVED_MODEL)
def saved_model(record: Recorder) -> None:
    """Saves a SavedModel, which can be served, with options of TensorFlow's."""
    import tensorflow as tf

    options = tf.saved_model.SaveOptions(experimental_io_device="/job:localhost")
    with record.run():
        model = linear_model()
        fit(model, [WandbModelCheckpoint("served/{epoch}", "loss", options=options)], epochs=1)
    note_restored(record, "served/1")


@use(missing=_NO_SAVED_MODEL)
def served_model(record: Recorder) -> None:
    """Predicts with a SavedModel, without Keras."""
    import tensorflow as tf

    model = linear_model()
    with record.run(mode="disabled"):
        fit(model, [WandbModelCheckpoint("served", "loss")], epochs=1)
    signature = tf.saved_model.load("served").signatures["serving_default"]
    try:
        (outputs,) = signature(tf.constant(X[:2])).values()
    except tf.errors.OpError as error:
        if backend() != "jax":
            raise
        raise NotPossibleError("This TensorFlow cannot run what this JAX writes") from error
    record.note("predictions", outputs.numpy().ravel())
    record.note("as the model", np.allclose(outputs.numpy(), model.predict(X[:2], verbose=0)))


@use()
def tensorflow_checkpoint(record: Recorder) -> None:
    """Saves a TensorFlow checkpoint of the weights."""
    import tensorflow as tf

    with record.run():
        checkpoint = WandbModelCheckpoint(
            "weights", "loss", save_weights_only=True, options=tf.train.CheckpointOptions()
        )
        fit(linear_model(), [checkpoint], epochs=1)
    note_restored(record, "weights")


@use()
def every_third_batch(record: Recorder) -> None:
    """Saves every three batches, over the ends of epochs."""
    with record.run():
        checkpoint = WandbModelCheckpoint("{epoch}-{batch}.keras", "loss", save_freq=3)
        fit(linear_model(), [checkpoint])


@use()
def best_only(record: Recorder) -> None:
    """Saves what is better than all before, and than a threshold, and says so."""
    printed = io.StringIO()
    with record.run(), contextlib.redirect_stdout(printed):
        checkpoint = WandbModelCheckpoint(
            "best-{epoch}.keras",
            monitor="val_mae",
            verbose=1,
            save_best_only=True,
            mode="min",
            initial_value_threshold=0.5,
        )
        fit(linear_model(sgd(0.02)), [checkpoint], validation_data=VALIDATION, epochs=5)
    lines = [line.strip() for line in printed.getvalue().splitlines() if line.strip()]
    record.note("printed", sorted(lines))  # another thread says what is saved


@use()
def larger_is_better(record: Recorder) -> None:
    """Gives `best` to the largest value, and leaves it there."""
    with record.run():
        checkpoint = WandbModelCheckpoint("model.keras", monitor="mae", mode="max")
        fit(linear_model(sgd(0.02)), [checkpoint], epochs=3)


@use()
def retention(record: Recorder) -> None:
    """Keeps the best and the last of six files."""
    rule = Retention(best=1, last=2, ttl=timedelta(days=30))
    with record.run():
        checkpoint = WandbModelCheckpoint("{epoch}.keras", "mae", mode="max", retention=rule)
        fit(linear_model(sgd(0.02)), [checkpoint], epochs=6)


@use()
def two_in_one_fit(record: Recorder) -> None:
    """Saves the whole model and, to an artifact of another name, its weights."""
    with record.run() as run:
        whole = WandbModelCheckpoint("whole.keras", "loss", run=run)
        weights = WandbModelCheckpoint(
            "parts.weights.h5", save_weights_only=True, save_freq=4, artifact="parts"
        )
        fit(linear_model(), [whole, weights], epochs=1)


@use()
def while_training_waits(record: Recorder) -> None:
    """Saves in the training's own thread."""
    with record.run():
        fit(linear_model(), [WandbModelCheckpoint("model.keras", "loss", background=False)])


@use()
def skipping_unless_best(record: Recorder) -> None:
    """Skips none while each is the best, however busy the disk is."""
    with record.run():
        checkpoint = WandbModelCheckpoint(
            "model.keras", "val_loss", mode="min", when_busy="skip", save_freq="epoch"
        )
        fit(linear_model(sgd(0.02)), [checkpoint], validation_data=VALIDATION, epochs=3)


@use()
def remote_path(record: Recorder) -> None:
    """Saves through TensorFlow's file systems, here the one in memory."""
    path = "ram://documented-uses/{epoch}.keras"
    with record.run():
        fit(linear_model(), [WandbModelCheckpoint(path, "loss")], epochs=1)
    note_restored(record, path.format(epoch=1))


@use()
def disabled(record: Recorder) -> None:
    """Saves the model, and logs nothing."""
    with record.run(mode="disabled"):
        fit(linear_model(), [WandbModelCheckpoint("model.keras", "loss")])
    note_restored(record, "model.keras")


def note_restored(record: Recorder, path: str) -> None:
    """Adds what a fresh model is after `restore`, and where it stands."""
    model = linear_model()
    state = restore(model, path)
    record.weights("restored weights", model)
    stands = {
        "initial_epoch": state.initial_epoch,
        "batch": state.batch,
        "global_step": state.global_step,
        "best": state.best,
        "metrics": dict(state.metrics),
    }
    record.note("restored state", stands)
