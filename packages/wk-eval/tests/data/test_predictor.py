"""Predictions that take care: fixed batches, half precision, nested outputs."""

import keras
import numpy as np
import pytest
import wandb

from wk_eval import ClassificationEval, RegressionEval, WandbEvalCallback
from wk_eval.data.predictor import Predictor
from wk_eval.data.samples import draw_samples
from wk_testing.tables import logged_tables

RANDOM = np.random.default_rng(0)
X = RANDOM.random((30, 5, 3)).astype("float32")
FLAT = RANDOM.random((30, 4)).astype("float32")
CLASSES = np.arange(30) % 3

layers = keras.layers


class Wrapped(keras.Model):
    """Has the model that takes ten at once inside of it."""

    def __init__(self):
        super().__init__()
        self.inner = fixed()

    def call(self, x):
        return self.inner(x)


def fixed():
    return keras.Sequential(
        [keras.Input(batch_shape=(10, 5, 3)), layers.Flatten(), layers.Dense(3)]
    )


def stateful():
    recurrent = layers.SimpleRNN(6, stateful=True)
    return keras.Sequential([keras.Input(batch_shape=(10, 5, 3)), recurrent, layers.Dense(3)])


def compiled(model, loss=None, **arguments):
    loss = loss or keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss, **arguments)
    return model


class Outputs(keras.callbacks.Callback):
    """Predicts as Keras does, from no state on."""

    def __init__(self, x):
        super().__init__()
        self.x, self.seen = x, []

    def on_epoch_end(self, epoch, logs=None):
        del epoch, logs
        for layer in self.model.layers:
            if getattr(layer, "stateful", False):
                layer.reset_states()
        self.seen.append(self.model.predict(self.x, batch_size=10, verbose=0).argmax(axis=-1))


@pytest.mark.parametrize("make", [fixed, stateful, Wrapped])
@pytest.mark.parametrize("number", [23, 4])
def test_models_that_take_one_size_of_batches(make, number, offline_run, read_back):
    keras.utils.set_random_seed(1)
    run = offline_run()
    x, y = X[:number], CLASSES[:number]
    filled_up = np.concatenate([x, *[x[-1:]] * (-number % 10)])
    evaluation = ClassificationEval((x, y), num_samples=None)
    outputs = Outputs(filled_up)
    compiled(make()).fit(
        X, CLASSES, batch_size=10, shuffle=False, verbose=0, callbacks=[evaluation, outputs]
    )
    (table,) = logged_tables(read_back(run), f"run_{run.id}_pred")
    predicted = dict(zip(table.column("id"), table.column("prediction"), strict=True))
    wanted = outputs.seen[0][:number]
    assert [int(predicted[at]) for at in range(number)] == wanted.tolist()


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16", "bfloat16"])
def test_half_precision(policy, offline_run, read_back):
    run = offline_run()
    head = layers.Dense(3, "softmax", dtype=policy)
    model = keras.Sequential([keras.Input((4,)), head])
    evaluation = ClassificationEval((FLAT, CLASSES))
    model = compiled(model, "sparse_categorical_crossentropy")
    model.fit(FLAT, CLASSES, verbose=0, callbacks=[evaluation])
    (row,) = read_back(run).history
    assert np.isfinite(row["val/loss"])


def test_half_precision_of_numbers(offline_run, read_back):
    run = offline_run()
    model = keras.Sequential([keras.Input((4,)), layers.Dense(2, dtype="bfloat16")])
    evaluation = RegressionEval((FLAT, keras.ops.cast(FLAT[:, :2], "bfloat16")))
    compiled(model, "mse").fit(FLAT, FLAT[:, :2], verbose=0, callbacks=[evaluation])
    (row,) = read_back(run).history
    assert np.isfinite(row["val/rmse"])


def nested(kind):
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    one, two = layers.Dense(2)(a), layers.Dense(3)(b)
    outputs = {
        "list": [one, two],
        "dict": {"one": one, "two": two},
        "nested": {"one": [one, {"two": two}]},
        "single": [one],
    }[kind]
    return keras.Model([a, b], outputs)


@pytest.mark.parametrize("kind", ["list", "dict", "nested", "single"])
def test_outputs_keep_their_structure(kind):
    model = nested(kind)
    inputs = [FLAT[:7], FLAT[7:14]]
    wanted = model.predict_on_batch(inputs)
    predicted = Predictor(model)(inputs)
    keras.tree.assert_same_structure(wanted, predicted)
    for one, other in zip(keras.tree.flatten(wanted), keras.tree.flatten(predicted), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)


def test_examples_in_several_batches_are_put_together():
    model = nested("dict")
    samples = draw_samples(((FLAT, FLAT), CLASSES), None)
    outputs = Predictor(model).all_of(samples, 8)
    wanted = model.predict([FLAT, FLAT], verbose=0)
    np.testing.assert_allclose(outputs["two"], wanted["two"], rtol=1e-5)


class Each(WandbEvalCallback):
    """Logs a table for each batch."""

    def __init__(self):
        super().__init__(["id"], ["batch", "prediction"])
        self.wanted = []

    def add_ground_truth(self, logs=None):
        del logs
        self.data_table.add_data(0)

    def on_train_batch_end(self, batch, logs=None):
        del logs
        self.wanted.append(float(np.asarray(self.model.predict(FLAT[:1], verbose=0))[0, 0]))
        self.init_pred_table(self.pred_table_columns)
        self.add_model_predictions(batch)
        self.log_pred_table()

    def on_epoch_end(self, epoch, logs=None):
        pass

    def add_model_predictions(self, epoch, logs=None):
        del logs
        self.pred_table.add_data(epoch, float(self.predict_on_batch(FLAT[:1])[0, 0]))


def test_predictions_within_an_epoch(offline_run, read_back):
    run, callback = offline_run(), Each()
    model = compiled(keras.Sequential([keras.Input((4,)), layers.Dense(1)]), "mse")
    model.fit(FLAT, CLASSES[:, None], batch_size=10, verbose=0, callbacks=[callback])
    tables = logged_tables(read_back(run), f"run_{run.id}_pred")
    assert [table.rows[0] for table in tables] == [
        [batch, pytest.approx(wanted)] for batch, wanted in enumerate(callback.wanted)
    ]
    assert len(tables) == 3


class Finish(keras.callbacks.Callback):
    """Finishes the run in one of the hooks of the end."""

    def __init__(self, hook):
        super().__init__()
        setattr(self, hook, lambda *_, **__: wandb.finish())


@pytest.mark.backend_free
@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("hook", ["on_train_end", "on_epoch_end"])
def test_run_that_is_finished_by_another_callback(hook, before, offline_run, read_back):
    run = offline_run()
    callbacks = [RegressionEval((FLAT, FLAT[:, :1])), Finish(hook)]
    model = compiled(keras.Sequential([keras.Input((4,)), layers.Dense(1)]), "mse")
    model.fit(FLAT, FLAT[:, :1], verbose=0, callbacks=callbacks[::-1] if before else callbacks)
    written = read_back(run)
    logged = 0 if before and hook == "on_epoch_end" else 1
    assert len(written.history) == logged
    assert len(logged_tables(written, "val")) == 1
    for name in ("pred", "moves"):
        assert len(logged_tables(written, f"run_{run.id}_{name}")) == logged


@pytest.mark.backend_free
@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("number", [1, 100])
def test_outputs_that_are_not_finite_and_single_examples(value, number, offline_run, read_back):
    run = offline_run()
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3)])
    model.layers[0].set_weights([np.full((4, 3), value), np.zeros(3)])
    data = (FLAT[:number], CLASSES[:number])
    several = [
        ClassificationEval(data, num_samples=200, from_logits=True),
        RegressionEval((FLAT[:number], FLAT[:number, :3]), name="numbers"),
    ]
    model.compile(keras.optimizers.SGD(0.0), "mse")
    model.fit(FLAT, FLAT[:, :3], verbose=0, callbacks=several)
    assert len(read_back(run).history) == 2
