"""Gradients of real trainings, held against differences of the loss."""

import keras
import numpy as np
import pytest
import wandb

from wk_metrics.gradients.differentiation import differentiation_of
from wk_metrics.gradients.gradient_logger import WandbGradientLogger
from wk_metrics.gradients.gradient_source import GradientSource
from wk_metrics.gradients.training_data import TrainingData
from wk_metrics.weights.weight_logger import WandbWeightLogger
from wk_testing.histograms import logged_histograms
from wk_testing.resuming import Witness, X, Y, random_model, same
from wk_testing.versions import activity_losses_are_means

BACKEND = keras.backend.backend()
RANDOM = np.random.default_rng(0)
A = RANDOM.normal(size=(23, 3)).astype("float32")
NUMBERS = RANDOM.integers(0, 4, (23, 2))
TARGET = RANDOM.normal(size=(23, 2)).astype("float32")
WEIGHT = RANDOM.random(23).astype("float32")


def regularised():
    of_outputs = "l2" if activity_losses_are_means() else None
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Dense(4, activation="tanh", kernel_regularizer="l2", name="first"),
            keras.layers.Dense(2, trainable=False),
            keras.layers.Dense(2, activity_regularizer=of_outputs, name="last"),
        ]
    )
    model.compile("sgd", "mse")
    return model, (A, TARGET, WEIGHT), 5


def several_inputs_and_outputs():
    keras.utils.set_random_seed(2)
    a, numbers = keras.Input((3,), name="a"), keras.Input((2,), name="numbers", dtype="int32")
    looked_up = keras.layers.Embedding(4, 3, name="table")(numbers)
    both = keras.layers.Concatenate()([a, keras.layers.Flatten()(looked_up)])
    unused = keras.layers.Dense(1, name="unused")
    outputs = {
        "one": keras.layers.Dense(2, name="one")(both),
        "two": keras.layers.Dense(2, name="two")(keras.layers.Activation("tanh")(both)),
        "three": unused(both),
    }
    model = keras.Model({"a": a, "numbers": numbers}, outputs)
    losses = {"one": "mse", "two": keras.losses.Huber(), "three": None}
    model.compile("sgd", losses, loss_weights={"one": 2.0, "two": 0.5, "three": 1.0})
    targets = {"one": TARGET, "two": -TARGET, "three": TARGET[:, :1]}
    return model, ({"a": A, "numbers": NUMBERS}, targets), 7


class Own(keras.Model):
    def __init__(self):
        super().__init__(name="own")
        self.dense = keras.layers.Dense(3, name="dense")
        self.norm = keras.layers.BatchNormalization(name="norm")

    def build(self, input_shape):
        self.scale = self.add_weight(shape=(3,), name="scale", initializer="ones")
        self.dense.build(input_shape)
        self.norm.build((None, 3))

    def call(self, x, training=None):
        outputs = self.norm(self.dense(x), training=training) * self.scale
        self.add_loss(keras.ops.mean(keras.ops.square(self.scale)))
        return outputs

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None):
        del x, sample_weight
        error = y_pred[:, :2] - keras.ops.convert_to_tensor(y)
        return keras.ops.mean(error**2) + sum(self.losses)


def subclassed():
    keras.utils.set_random_seed(3)
    model = Own()
    model.compile("sgd")
    return model, (A, TARGET), 23


def fit(model, data, *callbacks, **arguments):
    sample_weight = data[2] if len(data) == 3 else None
    model.fit(
        *data[:2], sample_weight=sample_weight, verbose=0, callbacks=list(callbacks), **arguments
    )


def loss_of(model, x, y, sample_weight=None):
    outputs = model(x, training=True)
    if isinstance(model, Own):
        loss = model.compute_loss(x, y, outputs)
    else:
        loss = model.compute_loss(x, y, outputs, sample_weight)
    return float(keras.ops.convert_to_numpy(loss))


def difference_quotients(model, variable, data, step=1e-2):
    value = keras.ops.convert_to_numpy(variable.value).copy()
    gradient = np.zeros_like(value)
    for at in np.ndindex(value.shape):
        losses = []
        for sign in (1, -1):
            moved = value.copy()
            moved[at] += sign * step
            variable.assign(moved)
            losses.append(loss_of(model, *data))
        gradient[at] = (losses[0] - losses[1]) / (2 * step)
    variable.assign(value)
    return gradient


@pytest.mark.filterwarnings("ignore:Gradients do not exist for variables:UserWarning")
@pytest.mark.parametrize(
    ("make", "names"),
    [
        (regularised, ["first/kernel", "first/bias", "last/kernel", "last/bias"]),
        (
            several_inputs_and_outputs,
            [
                *("table/embeddings", "one/kernel", "one/bias", "two/kernel", "two/bias"),
                *("unused/kernel", "unused/bias"),
            ],
        ),
        (subclassed, ["scale", "dense/kernel", "dense/bias", "norm/gamma", "norm/beta"]),
    ],
)
def test_gradients_are_the_slopes_of_the_loss(make, names, offline_run, read_back):
    model, data, batch_size = make()
    run = offline_run()
    fit(model, data, WandbGradientLogger(data, batch_size=batch_size))

    (row,) = read_back(run).history
    assert row["epoch"] == 0
    histograms = logged_histograms(row)
    assert set(histograms) == {f"gradients/{name}.gradient" for name in names}
    norms = {}
    paths = {variable.path.removeprefix(f"{model.name}/"): variable for variable in model.weights}
    for name in names:
        variable = paths[name]
        slopes = difference_quotients(model, variable, data)
        counts, edges = histograms[f"gradients/{name}.gradient"]
        assert sum(counts) == slopes.size
        if slopes.min() < slopes.max():
            edges = edges[0], edges[-1]
            np.testing.assert_allclose(edges, (slopes.min(), slopes.max()), rtol=5e-3, atol=1e-3)
        layer = name.rpartition("/")[0]
        norms[layer] = np.hypot(norms.get(layer, 0), np.linalg.norm(slopes))
    for layer, norm in norms.items():
        if layer:
            assert row[f"gradients/{layer}.norm"] == pytest.approx(norm, rel=5e-3, abs=1e-3)
    together = np.linalg.norm(list(norms.values()))
    assert row["gradients/global_norm"] == pytest.approx(together, rel=5e-3)


def test_training_goes_on_bit_for_bit(offline_run):
    trained = []
    for loggers in (
        [],
        [WandbGradientLogger((X, Y), batch_size=20, run=offline_run()), WandbWeightLogger()],
    ):
        model, witness = random_model(), Witness()
        model.fit(X, Y, batch_size=8, epochs=3, verbose=0, callbacks=[*loggers, witness])
        trained.append((witness.seen, model.history.history))
    (without, history), (logged, same_history) = trained
    assert all(same(without[epoch], logged[epoch]) for epoch in range(3))
    assert history == same_history


def test_gradients_are_those_of_the_end_of_an_epoch_though_training_goes_on(offline_run, read_back):
    x, y = np.tile(X, (200, 1)), np.tile(Y, (200, 1))  # a pass takes longer than an epoch
    norms = []
    for data in ((x, y), [(x, y)]):  # beside training where that can be; while training waits
        run = offline_run()
        model = random_model()
        logger = WandbGradientLogger(data, batch_size=len(x), run=run)
        model.fit(X, Y, batch_size=8, epochs=5, verbose=0, callbacks=[logger])
        run.finish()
        norms.append(read_back(run).column("gradients/global_norm"))
    assert len(set(norms[0])) == 5
    assert norms[0] == pytest.approx(norms[1], rel=1e-5)


class Remembering(keras.layers.Layer):
    """Keeps something in what Keras knows nothing of: the backend's own variables and modules."""

    def __init__(self):
        super().__init__()
        if BACKEND == "tensorflow":
            import tensorflow as tf

            self.own, self.draws = tf.Variable(0.0), tf.random.Generator.from_seed(3)
        if BACKEND == "torch":
            import torch

            module = torch.nn.Sequential(torch.nn.BatchNorm1d(4), torch.nn.Dropout(0.5))
            self.module = keras.layers.TorchModuleWrapper(module, output_shape=(None, 4))

    def call(self, x, training=None):
        if BACKEND == "torch":
            return self.module(x, training=training)
        if BACKEND == "tensorflow":
            self.own.assign_add(1.0)
            return x + self.own + self.draws.normal((4,))
        return x

    def compute_output_shape(self, input_shape):
        return input_shape

    def kept(self):
        if BACKEND == "torch":
            return [each.cpu().numpy() for each in self.module.buffers()]
        return [self.own.numpy(), self.draws.state.numpy()] if BACKEND == "tensorflow" else []


def test_what_the_backend_keeps_is_put_back(offline_run):
    ends = []
    for loggers in ([], [WandbGradientLogger((X, Y), batch_size=20, run=offline_run())]):
        keras.utils.set_random_seed(5)
        layer = Remembering()
        layers = [layer, keras.layers.Dense(1)]
        model = keras.Sequential([keras.Input((4,)), *layers])
        model.compile("sgd", "mse")
        model.fit(X, Y, epochs=2, batch_size=16, verbose=0, callbacks=loggers)
        ends.append([*model.get_weights(), *layer.kept()])
    assert same(*ends)


def test_training_data_that_are_no_arrays():
    sparse = pytest.importorskip("scipy.sparse")
    model, (x, y, weight), _ = regularised()
    norms = []
    for data in ((x, y, weight), (sparse.csr_matrix(x), y, weight)):
        part = GradientSource(data, batch_size=6)
        part.begin(model)
        norms.append(part.take(0)()["gradients/global_norm"])
    assert norms[0] == pytest.approx(norms[1], rel=1e-5)


class Unequal(keras.utils.PyDataset):
    def __init__(self, data):
        super().__init__()
        self.data = data
        self.cuts = [0, 2, 11, 23]

    def __len__(self):
        return 3

    def __getitem__(self, number):
        return tuple(part[self.cuts[number] : self.cuts[number + 1]] for part in self.data)


def test_data_of_any_kind_have_the_same_gradients():
    model, data, _ = regularised()
    batches = Unequal(data)
    kinds = [data, [*data], batches, [batches[number] for number in range(3)]]
    if BACKEND == "tensorflow":
        import tensorflow as tf

        kinds += [
            tf.data.Dataset.from_tensor_slices(data).batch(10),
            tuple(map(tf.convert_to_tensor, data)),
        ]
    if BACKEND == "torch":
        import torch

        tensors = torch.utils.data.TensorDataset(*map(torch.as_tensor, data))
        kinds.append(torch.utils.data.DataLoader(tensors, batch_size=10))
    norms = []
    for kind in kinds:
        part = GradientSource(kind, batch_size=6)
        part.begin(model)
        norms += [part.take(epoch)()["gradients/global_norm"] for epoch in range(2)]
    assert norms == pytest.approx([norms[0]] * len(norms), rel=1e-5)


def test_half_precision_is_scaled_and_unscaled():
    keras.utils.set_random_seed(4)
    layers = [
        keras.layers.Dense(8, activation="relu", dtype="mixed_float16"),
        keras.layers.Dense(2, dtype="float32"),
    ]
    model = keras.Sequential([keras.Input((3,)), *layers])
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(), initial_scale=2.0**30)
    # Without its scale such a loss has no gradients in half precision; with that, infinite ones.
    model.compile(optimizer, lambda y, outputs: 1e-7 * keras.ops.mean((y - outputs) ** 2, axis=-1))
    model.build((None, 3))
    optimizer.build(model.trainable_variables)
    part = GradientSource((A, TARGET))
    part.begin(model)
    tiny = part.take(0)()
    optimizer.dynamic_scale.assign(2.0**40)
    assert part.take(0)()["gradients/global_norm"] == tiny["gradients/global_norm"]

    first = keras.layers.Dense(8, activation="relu")
    full = keras.Sequential([keras.Input((3,)), first, layers[1]])
    full.compile("sgd", "mse")
    full.set_weights(model.get_weights())
    part = GradientSource((A, TARGET))
    part.begin(full)
    wanted = part.take(0)()["gradients/global_norm"]
    assert tiny["gradients/global_norm"] == pytest.approx(1e-7 * wanted, rel=1e-2)


def test_gradients_that_are_not_finite_are_said(offline_run, read_back):
    model, data, _ = regularised()
    model.layers[0].bias.assign([np.nan, 0, 0, 0])
    run = offline_run()
    fit(model, data, WandbGradientLogger(data))

    (row,) = read_back(run).history
    counts, _ = logged_histograms(row)["gradients/last/kernel.gradient"]
    assert sum(counts) == 0
    assert row["gradients/last/kernel.gradient.non_finite"] == 4
    assert np.isnan(float(row["gradients/last.norm"]))
    assert np.isnan(float(row["gradients/global_norm"]))


@pytest.mark.backend_free
def test_epochs_go_on_in_a_second_fit(offline_run, read_back):
    model, data, _ = regularised()
    other, run = offline_run(), offline_run(reinit="create_new")
    logger = WandbGradientLogger(data, every=2, run=run)
    for _ in range(2):
        fit(model, data, logger, epochs=4)

    written = read_back(run)
    assert written.column("epoch") == [1, 3, 5, 7]
    assert written.step_metrics["gradients/*"] == "epoch"
    assert read_back(other).history == []


@pytest.mark.backend_free
def test_disabled_run_costs_nothing():
    model, data, _ = regularised()
    with wandb.init(mode="disabled"):
        logger = WandbGradientLogger(data)
        fit(model, data, logger, WandbWeightLogger())
        assert logger._session._source._differentiation is None


def numbers():
    yield A, TARGET


@pytest.mark.parametrize(
    ("data", "error", "telling"),
    [
        (A, TypeError, "must be a tuple `(x, y)`.*Received: ndarray"),
        ((A,), TypeError, "Received: (shape (23, 3) of float32)"),
        (7, TypeError, "Received: int"),
        (numbers(), TypeError, "only once.*Received: generator"),
        ((A, TARGET[:4]), ValueError, "same length.*x=shape (23, 3).*y=shape (4, 2)"),
        ((A[:0], TARGET[:0]), ValueError, "a sample at least"),
    ],
)
@pytest.mark.backend_free
def test_wrong_data_are_errors_at_once(data, error, telling, offline_run):
    offline_run()
    with pytest.raises(error, match=_pattern(telling)) as caught:
        WandbGradientLogger(data)
    assert "`training_data`" in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "telling"),
    [
        ({"batch_size": 0}, "`batch_size`.*batch_size=0"),
        ({"batch_size": True}, "`batch_size`.*batch_size=True"),
        ({"every": 1.5}, "`every`.*every=1.5"),
    ],
)
@pytest.mark.backend_free
def test_wrong_arguments_are_errors_at_once(arguments, telling, offline_run):
    offline_run()
    with pytest.raises(ValueError, match=telling):
        WandbGradientLogger((A, TARGET), **arguments)


@pytest.mark.backend_free
def test_wrong_models_and_batches_are_errors_before_training(offline_run):
    offline_run()
    model, data, _ = regularised()
    for wrong, telling in [
        ([], "Received: data without any"),
        ([[A, TARGET, WEIGHT, A]], "Received: list"),
        ([{"x": A}], "Received: dict"),
    ]:
        with pytest.raises((ValueError, TypeError), match=telling):
            fit(model, data, WandbGradientLogger(wrong))
    with pytest.raises(ValueError, match=r"incompatible|shape"):
        fit(model, data, WandbGradientLogger((A[:, :2], TARGET)))
    model.trainable = False
    with pytest.raises(ValueError, match="6 weights"):
        GradientSource(data).begin(model)
    with pytest.raises(ValueError, match="without a loss"):
        GradientSource(data).begin(keras.Sequential([keras.layers.Dense(1)]))


def _pattern(telling):
    return ".*".join(part.replace("(", r"\(").replace(")", r"\)") for part in telling.split(".*"))


@pytest.mark.backend_free  # op by op, JAX takes long
def test_eager_models_are_not_compiled():
    model, data, _ = regularised()
    compiled = differentiation_of(model).begin_pass()(TrainingData(data).batches(6), 1.0)
    model.compile("sgd", "mse", run_eagerly=True)
    eager = differentiation_of(model).begin_pass()(TrainingData(data).batches(6), 1.0)
    for one, other in zip(compiled.gradients, eager.gradients, strict=True):
        one, other = map(keras.ops.convert_to_numpy, (one, other))
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("targets", [range(23), np.arange(23.0), [(n,) for n in range(23)]])
@pytest.mark.backend_free
def test_a_list_of_numbers_is_one_array(targets):
    (batch,) = TrainingData((A, list(targets))).batches(32)
    assert len(batch.y) == batch.count == 23


@pytest.mark.backend_free
def test_several_arrays_keep_their_structure():
    (batch,) = TrainingData(([A, {"b": A, "a": [A]}], (TARGET, None))).batches(32)
    assert isinstance(batch.x, list)
    assert list(batch.x[1]) == ["b", "a"]
    assert isinstance(batch.x[1]["a"], list)
    assert batch.y[1] is None
    assert isinstance(batch.y, tuple)
