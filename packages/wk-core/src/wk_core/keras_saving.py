"""What saving and restoring a model needs of Keras beyond its public API, in one place."""

import contextlib
import json
import sys
from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from wk_core.keras import LEGACY, backend, keras

__all__ = [
    "all_layers",
    "begin_iteration",
    "build_metrics",
    "export_saved_model",
    "global_seed_generator",
    "is_overridden",
    "layers_without_kept_seeds",
    "load_optimizer_from_hdf5",
    "metric_variables",
    "prepare_saving",
    "seed_variables",
    "serialized_config",
    "values_of",
    "without_distribution",
]

# The kinds of objects of which Keras' writer learns what not to look into.
_SAVED_KINDS: Final = (
    "Operation",
    "Layer",
    "Functional",
    "Sequential",
    "Metric",
    "Optimizer",
    "Loss",
    "Cross",
    "Feature",
)


def serialized_config(model: Any) -> str:
    """Returns the JSON of a model's architecture and compilation, as in a `.keras` archive."""
    from keras.src.saving.serialization_lib import ObjectSharingScope

    with ObjectSharingScope():  # a layer that is used twice stays one layer
        tree = keras.saving.serialize_keras_object(model)
    return json.dumps(_with_own_numbers(tree, {}))


def _with_own_numbers(tree: Any, numbers: dict[int, int]) -> Any:
    """Numbers shared objects from 0: Keras takes their addresses, other ones in each process."""
    if isinstance(tree, dict):
        return {
            key: numbers.setdefault(value, len(numbers))
            if key == "shared_object_id"
            else _with_own_numbers(value, numbers)
            for key, value in tree.items()
        }
    if isinstance(tree, list | tuple):
        return [_with_own_numbers(value, numbers) for value in tree]
    return tree


def prepare_saving() -> None:
    """Has Keras keep what it learns of its own classes for its walk through a model.

    Keras learns which attributes not to look into from objects that it makes on the way, and keeps
    what it has learnt under a name other than the one it looks for (3.15): it would make new ones
    for each object of each model.
    """
    if LEGACY:
        return
    from keras.src.backend.common import global_state
    from keras.src.saving.saving_lib import get_attr_skipset

    for kind in _SAVED_KINDS:
        key = f"saving_attr_skiplist_{kind}"
        if global_state.get_global_attribute(key) is None:
            global_state.set_global_attribute(key, get_attr_skipset(kind))


def is_overridden(model: Any, method: str) -> bool:
    """Tells whether the user's class, or the model itself, has a method of its own for Keras'."""
    function = getattr(getattr(model, method), "__func__", None)
    return function is not getattr(keras.Model, method)


def all_layers(model: Any) -> list[Any]:
    """Returns a model and all layers in it, those inside of layers too."""
    layers: list[Any] = list(model._flatten_layers())
    return layers


def build_metrics(model: Any, batch: Any) -> None:
    """Has a compiled model's metrics make their variables, which else the first step does.

    Args:
        model: The model.
        batch: A batch of the data: `(x, y)` or `(x, y, sample_weight)`.
    """
    if not LEGACY:
        model._symbolic_build(data_batch=batch)
        return
    outputs = model(batch[0], training=False)
    if not model.compiled_loss.built:
        model.compiled_loss.build(outputs)
    if not model.compiled_metrics.built:
        model.compiled_metrics.build(outputs, _as_tensors(batch[1]))


def _as_tensors(arrays: Any) -> Any:
    if isinstance(arrays, dict):
        return {name: _as_tensors(each) for name, each in arrays.items()}
    if isinstance(arrays, (list, tuple)):
        return type(arrays)(map(_as_tensors, arrays))
    return keras.backend.constant(arrays)


def begin_iteration() -> None:
    """Draws the random number that Keras draws when it begins to iterate over data.

    Keras does so once an epoch is drawn to its end. On PyTorch each iterator takes a seed for its
    workers from the generator that dropout takes its numbers from.
    """
    if backend() == "torch":
        iter(sys.modules["torch"].utils.data.DataLoader([None]))


def metric_variables(model: Any) -> list[Any]:
    """Returns the variables in which a model's metrics keep what they have seen of an epoch."""
    if LEGACY:
        return [variable for metric in model.metrics for variable in metric.variables]
    variables: list[Any] = model.metrics_variables
    return variables


def seed_variables(model: Any) -> list[Any]:
    """Returns the variables behind a model's random numbers, which Keras does not save."""
    if LEGACY:
        return [generator.state for generator in _generators_of_keras_2(model)]
    others = {id(variable) for variable in [*model.weights, *model.metrics_variables]}
    return [variable for variable in model.variables if id(variable) not in others]


def layers_without_kept_seeds(model: Any) -> list[str]:
    """Returns the names of the layers whose random numbers cannot be put back.

    Those of Keras 2 draw from TensorFlow's operations, which keep where they stand to themselves,
    unless `tf.keras.backend.experimental.enable_tf_random_generator` was called before.
    """
    drawing = _random_layers_of_keras_2(model) if LEGACY else ()
    return [layer.name for layer, generator in drawing if generator is None]


def _generators_of_keras_2(model: Any) -> Iterator[Any]:
    return (generator for _, generator in _random_layers_of_keras_2(model) if generator is not None)


def _random_layers_of_keras_2(model: Any) -> Iterator[tuple[Any, Any]]:
    """Yields the layers that draw random numbers, and their generators, made in the first call."""
    for layer in all_layers(model):
        drawing = getattr(layer, "_random_generator", None)
        if drawing is not None and getattr(layer, "rate", 1) != 0:
            drawing._maybe_init()
            yield layer, drawing._generator


def global_seed_generator(*, create: bool = False) -> Any:
    """Returns the variable behind random numbers that were given no seed, or None if unused."""
    if LEGACY:
        return None
    from keras.src.backend.common import global_state
    from keras.src.random import seed_generator

    if create:
        return seed_generator.global_seed_generator().state
    generator = global_state.get_global_attribute(seed_generator.GLOBAL_SEED_GENERATOR)
    return None if generator is None else generator.state


def values_of(variables: Any) -> list[Any]:
    """Returns copies of variables' values as NumPy arrays."""
    if LEGACY:
        return [variable.numpy() for variable in variables]
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]


@contextlib.contextmanager
def without_distribution() -> Iterator[None]:
    """Has variables that are made in the block belong to this process alone, not to all."""
    distribution = None if LEGACY else keras.distribution.distribution()
    if distribution is None:
        yield
        return
    keras.distribution.set_distribution(None)
    try:
        yield
    finally:
        keras.distribution.set_distribution(distribution)


def load_optimizer_from_hdf5(optimizer: Any, file: Any) -> None:
    """Sets an optimizer's variables from the open `.h5` file of a whole model.

    `load_model` cannot be used instead: it does not find losses and metrics that were named by
    their short names, as `"mse"` (Keras 3.15).
    """
    if LEGACY:
        from tf_keras.src.saving.legacy import hdf5_format
    else:
        from keras.src.legacy.saving import legacy_h5_format as hdf5_format
    stored = hdf5_format.load_optimizer_weights_from_hdf5_group(file)
    values = [np.asarray(value) for value in stored]
    if LEGACY:
        optimizer.set_weights(values)
        return
    for variable, value in zip(optimizer.variables, values, strict=True):
        variable.assign(value)


def export_saved_model(model: Any, path: Any, options: Any) -> None:
    """Writes a model's predictions as a TensorFlow SavedModel with the endpoint `serve`.

    Args:
        model: A built model, on the TensorFlow or the JAX backend.
        path: The directory to write.
        options: `tf.saved_model.SaveOptions`, or None.
    """
    from keras.src.export.export_utils import get_input_signature

    # `model.export` takes no options.
    archive = keras.export.ExportArchive()
    archive.track_and_add_endpoint("serve", model, get_input_signature(model))
    archive.write_out(str(path), options=options, verbose=False)
