"""What the two flavours of Keras do differently, as Keras 3 does it; `v2` has the same names."""

import contextlib
from collections.abc import Iterator
from typing import Any, Final, Literal

import keras
import numpy as np
from keras.utils import PyDataset

from wk_core.compat.entries import find, say_missing, stands_on

__all__ = [
    "EXTENDABLE_LISTS",
    "NOT_IN_FIT",
    "SAVED_MODEL_METHOD",
    "TRAINS_WITH_WORKERS",
    "PyDataset",
    "all_metrics",
    "backend",
    "batch_count",
    "build_metrics",
    "comparisons",
    "compiled_metrics",
    "dataset_arguments",
    "dtype_name",
    "engine",
    "flatten",
    "functional_part",
    "global_seed_generator",
    "has_compiled_loss",
    "has_value",
    "input_shape",
    "is_only_read",
    "keras",
    "layer_seed_variables",
    "load_hdf5_optimizer",
    "loss_scale",
    "loss_tracker",
    "map_structure",
    "metric_variables",
    "node_call",
    "non_trainable_variables",
    "on_host",
    "optimizer_parts",
    "own_direction",
    "place_of_tensor",
    "raw_variable",
    "seed_variables",
    "seedless_layers",
    "snapshot_value",
    "stand_in_for_global_seeds",
    "stateless_scope",
    "steps_per_execution",
    "to_numpy",
    "to_tensor",
    "trainable_variables",
    "training_loss",
    "training_outputs",
    "values_of",
    "weight_path",
    "without_distribution",
    "write_saved_model",
]

NOT_IN_FIT: Final[dict[str, Any]] = {"params": None, "_model": None}
"""The attributes that Keras gives a callback for one `fit`, as they are before it."""

TRAINS_WITH_WORKERS: Final = False
"""Whether a model trains under `tf.distribute.MultiWorkerMirroredStrategy`."""

EXTENDABLE_LISTS: Final = True
"""Whether a task can be added to a list of callbacks, to run after all of them."""

SAVED_MODEL_METHOD: Final[str | None] = None
"""The model's own method that writes a SavedModel; None where it is exported from outside."""

_GLOBAL_STATE: Final = "keras.src.backend.common.global_state"
_GLOBAL_SEEDS: Final = "global_seed_generator"
_STAND_IN_SEED: Final = 20


def backend() -> str:
    """Returns the name of Keras' backend: `"tensorflow"`, `"jax"` or `"torch"`, for example."""
    name: str = keras.backend.backend()
    return name


def engine() -> str:
    """Returns the name of what differentiates a model: that of Keras' backend."""
    return backend()


def comparisons() -> tuple[Any, Any]:
    """Returns the operators "less" and "greater" of Keras' own callbacks."""
    return keras.ops.less, keras.ops.greater


def flatten(structure: Any) -> list[Any]:
    """Returns the leaves of a nest of lists, tuples and dictionaries."""
    leaves: list[Any] = keras.tree.flatten(structure)
    return leaves


def map_structure(function: Any, *structures: Any) -> Any:
    """Applies a function to the leaves of nests of the same structure; returns the same nest."""
    return keras.tree.map_structure(function, *structures)


# The training step


def steps_per_execution(model: Any) -> int:
    """Returns how many batches the model trains on between two calls of the batch hooks."""
    return int(model.steps_per_execution)


@stands_on(
    "model._compile_metrics",
    "model._compile_metrics._user_metrics",
    why="a model names the metrics of `compile` after its first batch only",
    versions="Keras 3.2 to 3.15",
    without="the description of a model says nothing of its metrics",
)
def compiled_metrics(model: Any) -> Any:
    """Returns the metrics as `compile` got them; None where it got none."""
    container = getattr(model, "_compile_metrics", None)
    return getattr(container, "_user_metrics", None)


@stands_on(
    "model._compile_metrics",
    why="`model.metrics` has the metrics of `compile` after the first batch only, as one container",
    versions="Keras 3.2 to 3.15",
    without="the direction of a metric of `compile` is told by its name alone",
)
def all_metrics(model: Any) -> list[Any]:
    """Returns a model's metrics, with those of `compile` as far as they are known yet."""
    container = getattr(model, "_compile_metrics", None)
    return [*model.metrics, *getattr(container, "metrics", ())]


@stands_on(
    "metric._direction",
    why="a metric does not say publicly whether less or more of it is better",
    versions="Keras 3.0 to 3.15",
    without="the direction of a metric is told by its name and its class",
)
def own_direction(metric: Any) -> Literal["min", "max"] | None:
    """Returns whether less or more of a metric is better, where it says so."""
    directions: dict[Any, Literal["min", "max"]] = {"down": "min", "up": "max"}
    return directions.get(getattr(metric, "_direction", None))


@stands_on(
    "model._loss_tracker",
    why="the trainers' count of samples has no public name",
    versions="Keras 3.0 to 3.15",
    without="the throughput in samples is left out",
)
def loss_tracker(model: Any) -> Any:
    """Returns the mean of the batches' losses, weighted by their numbers of samples; or None."""
    return getattr(model, "_loss_tracker", None)


@stands_on(
    "model._call_has_training_arg",
    why="a layer does not say publicly whether its `call` takes `training`",
    versions="Keras 3.0 to 3.15",
    without="the model is called with `training=True`, which Keras ignores where it is not taken",
)
def training_outputs(model: Any, inputs: Any) -> Any:
    """Calls the model with `training=True`, as its training step does, on a batch of inputs."""
    if getattr(model, "_call_has_training_arg", True):
        return model(inputs, training=True)
    return model(inputs)


@stands_on(
    "model._compute_loss",
    why="the public `compute_loss` may be overridden without the argument `training`",
    versions="Keras 3.4 to 3.15",
    without="the public `compute_loss` is called",
)
def training_loss(model: Any, x: Any, y: Any, y_pred: Any, sample_weight: Any) -> Any:
    """Returns the loss that training minimizes: the compiled loss plus losses added by layers."""
    compute = getattr(model, "_compute_loss", None) or model.compute_loss
    return compute(x, y, y_pred, sample_weight, training=True)


@stands_on(
    "model._compile_loss",
    why="a model does not say publicly whether it was compiled with a loss",
    versions="Keras 3.0 to 3.15",
    without="every compiled model counts as one with a loss, and Keras says what is missing",
)
def has_compiled_loss(model: Any) -> bool:
    """Returns whether a model was compiled with a loss."""
    return getattr(model, "_compile_loss", model) is not None


def loss_scale(optimizer: Any) -> float:
    """Returns the factor that mixed precision puts on the loss, so that no gradient vanishes."""
    return float(keras.ops.convert_to_numpy(optimizer.scale_loss(keras.ops.ones(()))))


@stands_on(
    "model._symbolic_build",
    why="metrics make their variables in the first step only",
    versions="Keras 3.2 to 3.15",
    without="a training that goes on within an epoch counts its metrics anew from there",
)
def build_metrics(model: Any, batch: Any) -> None:
    """Makes the variables of a compiled model's metrics, which else the first step does.

    Args:
        model: The model.
        batch: A batch of the data: `(x, y)` or `(x, y, sample_weight)`.
    """
    if hasattr(model, "_symbolic_build"):
        model._symbolic_build(data_batch=batch)
    else:
        say_missing(build_metrics)


def optimizer_parts(optimizer: Any) -> list[Any]:
    """Returns the optimizers among which a `MultiOptimizer` divides the variables; else none."""
    kind = getattr(keras.optimizers, "MultiOptimizer", None)  # since Keras 3.15
    return [*optimizer.optimizers] if kind is not None and isinstance(optimizer, kind) else []


# Variables


def metric_variables(model: Any) -> list[Any]:
    """Returns the variables in which a model's metrics keep what they have seen of an epoch."""
    variables: list[Any] = model.metrics_variables
    return variables


def seed_variables(model: Any) -> list[Any]:
    """Returns the variables behind a model's random numbers, which Keras does not save."""
    others = {id(variable) for variable in [*model.weights, *model.metrics_variables]}
    return [variable for variable in model.variables if id(variable) not in others]


def seedless_layers(model: Any) -> list[str]:  # noqa: ARG001  Keras 2 looks at it
    """Returns the names of the layers whose random numbers cannot be put back."""
    return []


@stands_on(
    "layer._trainable_variables",
    why="the public `trainable_variables` are those of the layers in it, too, and none while a "
    "layer is frozen",
    versions="Keras 3.0 to 3.15",
    without="those of the layers in it are looked at once more",
)
def trainable_variables(layer: Any) -> list[Any]:
    """Returns the trainable variables that belong to a layer itself, not to those in it."""
    return list(getattr(layer, "_trainable_variables", layer.trainable_variables))


@stands_on(
    "layer._non_trainable_variables",
    why="the public `non_trainable_variables` are those of the layers in it, too",
    versions="Keras 3.0 to 3.15",
    without="those of the layers in it are looked at once more",
)
def non_trainable_variables(layer: Any) -> list[Any]:
    """Returns the other variables that belong to a layer itself, not to those in it."""
    return list(getattr(layer, "_non_trainable_variables", layer.non_trainable_variables))


@stands_on(
    "layer._seed_generators",
    why="the generators of a layer have no public name",
    versions="Keras 3.0 to 3.15",
    without="looking at a model may draw from the random numbers of its training",
)
def layer_seed_variables(layer: Any) -> list[Any]:
    """Returns the states of the generators that belong to a layer itself."""
    return [generator.state for generator in getattr(layer, "_seed_generators", ())]


@stands_on(
    "variable._value",
    why="a variable does not say publicly whether it was initialized: reading it does that",
    versions="Keras 3.0 to 3.15",
    without="a variable that is not initialized yet is initialized when a model is looked at",
)
def has_value(variable: Any) -> bool:
    """Returns whether a variable has been initialized; in a layer that is not built it may not."""
    return getattr(variable, "_value", variable) is not None


def is_only_read(layer: Any) -> bool:
    """Returns whether none of a layer's variables are written by its calls, however many."""
    quantized = getattr(layer, "quantization_mode", None)
    is_quantized = quantized is not None and quantized != "float8"  # which counts while it trains
    return is_quantized or isinstance(layer, keras.layers.TorchModuleWrapper)


def raw_variable(variable: Any) -> Any:
    """Returns TensorFlow's own variable within one of Keras'."""
    return variable.value


def snapshot_value(variable: Any) -> Any:
    """Returns a variable's value on TensorFlow or PyTorch, unchanged by later assignments."""
    value = variable.value
    return value.read_value() if backend() == "tensorflow" else value.detach().clone()


def values_of(variables: Any) -> list[Any]:
    """Returns copies of variables' values as NumPy arrays."""
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]


def weight_path(weight: Any) -> str:
    """Returns the name of a weight with the names of the layers that it is in."""
    path: str = weight.path
    return path


# Tensors and data


def to_numpy(value: Any) -> Any:
    """Returns a backend's tensor as a NumPy array, and anything else as it is."""
    if keras.ops.is_tensor(value):
        return keras.ops.convert_to_numpy(value)
    return value.numpy() if hasattr(value, "numpy") else value


def to_tensor(value: Any, dtype: str | None = None) -> Any:
    """Returns a tensor of the backend."""
    return keras.ops.convert_to_tensor(value, dtype=dtype)


@contextlib.contextmanager
def on_host() -> Iterator[None]:
    """Places what is computed in the block on the CPU: no wait for a busy accelerator."""
    with keras.device("cpu:0"):
        yield


def dataset_arguments(data: Any) -> dict[str, Any]:
    """Returns the arguments with which a `PyDataset` was made, for one that wraps it."""
    names = ("workers", "use_multiprocessing", "max_queue_size")
    return {name: getattr(data, name) for name in names}


def batch_count(data: Any) -> int | None:
    """Returns the number of batches of a `PyDataset`; None where it has no end."""
    count: int | None = data.num_batches
    return count


def dtype_name(tensor: Any) -> str:
    """Returns the data type of a symbolic tensor, as `"float32"`."""
    return str(tensor.dtype)


def input_shape(layer: Any) -> Any:
    """Returns the shape that an input layer was given, with the size of a batch; or None."""
    return getattr(layer, "batch_shape", None)


# The graph


@stands_on(
    "sequential._functional",
    why="the functional model within a `Sequential` one has no public name",
    versions="Keras 3.0 to 3.15",
    without="the graph of a `Sequential` model is left out, and its table of layers logged",
)
def functional_part(model: Any) -> Any:
    """Returns what knows how the layers of a model are connected; None where nothing does."""
    if isinstance(model, keras.Sequential):
        return getattr(model, "_functional", None)
    return model if isinstance(model, keras.Function) else None


def node_call(node: Any) -> tuple[Any, list[tuple[Any, int]]]:
    """Returns the layer that a node of the graph calls, and the places of its inputs."""
    return node.operation, [place_of_tensor(tensor) for tensor in node.arguments.keras_tensors]


@stands_on(
    "functional.outputs[0]._keras_history",
    why="a symbolic tensor does not say publicly which layer it comes from",
    versions="Keras 3.0 to 3.15",
    without="the graph of a model is left out, and its table of layers logged",
)
def place_of_tensor(tensor: Any) -> tuple[Any, int]:
    """Returns the layer that a symbolic tensor comes from, and the number of its output."""
    operation, _, number = tensor._keras_history
    return operation, number


# Files


@stands_on(
    "keras.src.legacy.saving.legacy_h5_format.load_optimizer_weights_from_hdf5_group",
    why="`load_model` does not find losses and metrics named by short names, as `mse` (Keras 3.15)",
    versions="Keras 3.0 to 3.15",
    without="a training cannot go on from a whole model in an `.h5` file: `restore` raises",
)
def load_hdf5_optimizer(optimizer: Any, file: Any) -> None:
    """Sets an optimizer's variables from the open `.h5` file of a whole model.

    Raises:
        NotImplementedError: If this Keras cannot read them.
    """
    load = find("keras.src.legacy.saving.legacy_h5_format.load_optimizer_weights_from_hdf5_group")
    if load is None:
        raise NotImplementedError("This Keras cannot read the optimizer in an '.h5' file.")
    for variable, value in zip(optimizer.variables, load(file), strict=True):
        variable.assign(np.asarray(value))


@stands_on(
    "keras.src.export.export_utils.get_input_signature",
    why="`model.export` takes no `tf.saved_model.SaveOptions`, and the signature of a model that "
    "it exports has no public name",
    versions="Keras 3.8 to 3.15",
    without="a SavedModel is written by `model.export`, without options",
)
def write_saved_model(model: Any, path: Any, options: Any) -> None:
    """Writes a model's predictions as a TensorFlow SavedModel with the endpoint `serve`.

    Args:
        model: A built model, on the TensorFlow or the JAX backend.
        path: The directory to write.
        options: `tf.saved_model.SaveOptions`, or None.
    """
    signature = find("keras.src.export.export_utils.get_input_signature")
    if signature is None:
        if options is not None:
            say_missing(write_saved_model)
        model.export(str(path), verbose=False)
        return
    archive = keras.export.ExportArchive()
    archive.track_and_add_endpoint("serve", model, signature(model))
    archive.write_out(str(path), options=options, verbose=False)


# Random numbers and processes


def stateless_scope() -> Any:
    """Returns a scope in which variables are made and read, and none of them is written."""
    return keras.StatelessScope()


@contextlib.contextmanager
def without_distribution() -> Iterator[None]:
    """Makes variables in the block belong to this process alone, not to all."""
    distribution = keras.distribution.distribution()
    if distribution is None:
        yield
        return
    keras.distribution.set_distribution(None)
    try:
        yield
    finally:
        keras.distribution.set_distribution(distribution)


@stands_on(
    f"{_GLOBAL_STATE}.get_global_attribute",
    "keras.src.random.seed_generator.global_seed_generator",
    why="the generator behind random numbers without a seed has no public name",
    versions="Keras 3.4 to 3.15",
    without="random numbers without a seed go on differently in a training that is resumed",
)
def global_seed_generator(*, create: bool = False) -> Any:
    """Returns the variable behind random numbers that were given no seed, or None if unused."""
    state, make = find(_GLOBAL_STATE), find("keras.src.random.seed_generator.global_seed_generator")
    if state is None or make is None:
        say_missing(global_seed_generator)
        return None
    if create:
        return make().state
    generator = state.get_global_attribute(_GLOBAL_SEEDS)
    return None if generator is None else generator.state


@contextlib.contextmanager
@stands_on(
    f"{_GLOBAL_STATE}.set_global_attribute",
    why="Keras makes that generator at its first use, by a draw from Python's random numbers",
    versions="Keras 3.4 to 3.15",
    without="looking at a model may make it, as a first step of training would",
)
def stand_in_for_global_seeds() -> Iterator[None]:
    """Gives Keras a generator of global seeds for the block, where it has none yet."""
    state = find(_GLOBAL_STATE)
    if state is None or global_seed_generator() is not None:
        yield
        return
    with without_distribution():  # The other processes make none.
        stand_in = _stand_in()
    state.set_global_attribute(_GLOBAL_SEEDS, stand_in)
    try:
        yield
    finally:
        if state.get_global_attribute(_GLOBAL_SEEDS) is stand_in:
            state.set_global_attribute(_GLOBAL_SEEDS, None)


_stand_ins: Final[list[Any]] = []  # one for the process: compiled functions may hold on to it


def _stand_in() -> Any:
    if not _stand_ins:
        _stand_ins.append(keras.random.SeedGenerator(_STAND_IN_SEED, name="wk_stand_in"))
    return _stand_ins[0]
