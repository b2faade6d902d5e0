"""Which Keras this process uses, decided once.

Keras 3 on any backend, unless `TF_USE_LEGACY_KERAS=1` makes `tf.keras` mean Keras 2: then
`tf_keras`. A callback of one flavour does not work in a `fit` of the other, so every wk callback
takes its base class from here. What the flavours name differently is named here, too.
"""

import json
import os
from typing import Any, Final

import numpy as np

LEGACY: Final = os.environ.get("TF_USE_LEGACY_KERAS", "").strip().lower() in ("1", "true")
"""Whether this process uses Keras 2."""

if LEGACY:
    import tf_keras as keras
    from tf_keras.utils import Sequence as PyDataset
else:
    import keras
    from keras.utils import PyDataset

__all__ = [
    "LEGACY",
    "PyDataset",
    "all_layers",
    "backend",
    "batches_trained",
    "build_metrics",
    "build_optimizer",
    "compiled_metrics",
    "export_saved_model",
    "global_seed_generator",
    "keras",
    "learning_rate_setting",
    "load_optimizer_from_hdf5",
    "metric_variables",
    "prepare_saving",
    "samples_seen",
    "seed_variables",
    "serialized_config",
    "state_is_in_variables",
    "steps_per_execution",
    "sync_state",
    "trained_batches",
    "unwrap_optimizer",
    "values_of",
]


def backend() -> str:
    """Returns the name of Keras' backend: `"tensorflow"`, `"jax"` or `"torch"`, for example."""
    name: str = "tensorflow" if LEGACY else keras.backend.backend()
    return name


def steps_per_execution(model: Any) -> int:
    """Returns how many batches the model trains on between two calls of the batch hooks."""
    return int(model._steps_per_execution if LEGACY else model.steps_per_execution)


def unwrap_optimizer(optimizer: Any) -> Any:
    """Returns the optimizer that a `LossScaleOptimizer` wraps, or the optimizer itself."""
    wrapper = (
        keras.mixed_precision.LossScaleOptimizer if LEGACY else keras.optimizers.LossScaleOptimizer
    )
    return optimizer.inner_optimizer if isinstance(optimizer, wrapper) else optimizer


def batches_trained(optimizer: Any) -> int:
    """Returns how many batches an optimizer has been applied to.

    Its public `iterations` counts updates of the weights, which are fewer under gradient
    accumulation. A mixed-precision step that was skipped for an overflow is in neither.
    """
    optimizer = unwrap_optimizer(optimizer)
    return int(optimizer.iterations if LEGACY else optimizer._iterations)


def trained_batches(model: Any) -> int | None:
    """Returns how many batches a model's optimizer has been applied to; None without one."""
    optimizer = getattr(model, "optimizer", None)
    known = isinstance(optimizer, keras.optimizers.Optimizer)
    return batches_trained(optimizer) if known else None


def compiled_metrics(model: Any) -> Any:
    """Returns the metrics as `compile` got them; the model itself names them after a batch only."""
    container = model.compiled_metrics if LEGACY else model._compile_metrics
    return None if container is None else container._user_metrics


def learning_rate_setting(optimizer: Any) -> Any:
    """Returns an optimizer's learning rate as it was set: a variable, a schedule or a callable.

    Its public `learning_rate` evaluates a schedule instead, eagerly, which takes milliseconds.
    """
    return unwrap_optimizer(optimizer)._learning_rate


def state_is_in_variables(model: Any) -> bool:
    """Tells whether the variables hold the training state.

    On JAX they do not while the batches of an epoch run: what is assigned to one then is lost.
    """
    return bool(getattr(model, "_jax_state_synced", True))


def sync_state(model: Any) -> None:
    """Puts the training state into the variables, where it is not there already.

    Only for the thread that trains: on JAX any other may meet arrays that the next step has
    consumed.
    """
    if not state_is_in_variables(model):
        model.jax_state_sync()


def samples_seen(model: Any) -> int:
    """Returns how many samples went into the model's loss since its metrics were reset.

    The trainers weigh each batch's loss with its number of samples. A model that computes its
    loss in other ways counts none.
    """
    tracker = (
        getattr(getattr(model, "compiled_loss", None), "_total_loss_mean", None)
        if LEGACY
        else getattr(model, "_loss_tracker", None)
    )
    return 0 if tracker is None else int(tracker.count)


def serialized_config(model: Any) -> str:
    """Returns the JSON of a model's architecture and compilation, as in a `.keras` archive."""
    if LEGACY:
        text: str = model.to_json()
        return text
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


def all_layers(model: Any) -> list[Any]:
    """Returns a model and all layers in it, those inside of layers too."""
    layers: list[Any] = list(model._flatten_layers())
    return layers


def prepare_saving() -> None:
    """Lets Keras' writer work inside a `StatelessScope` of this thread.

    Keras learns which attributes not to look into from objects that it makes on the way, and keeps
    what it has learnt under a name other than the one it looks for (3.15): inside a scope making
    them raises, so it has to find them made.
    """
    if LEGACY:
        return
    from keras.src.backend.common import global_state
    from keras.src.saving.saving_lib import get_attr_skipset

    for kind in _SAVED_KINDS:
        key = f"saving_attr_skiplist_{kind}"
        if global_state.get_global_attribute(key) is None:
            global_state.set_global_attribute(key, get_attr_skipset(kind))


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


def build_optimizer(model: Any) -> None:
    """Has a compiled model's optimizer make its variables, where it has not yet."""
    optimizer = getattr(model, "optimizer", None)
    if optimizer is not None and not getattr(optimizer, "built", False):
        optimizer.build(model.trainable_variables)


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


def seed_variables(model: Any) -> list[Any]:
    """Returns the variables behind a model's random numbers, which Keras does not save."""
    if LEGACY:
        return []
    others = {id(variable) for variable in [*model.weights, *model.metrics_variables]}
    return [variable for variable in model.variables if id(variable) not in others]


def values_of(variables: Any) -> list[Any]:
    """Returns copies of variables' values as NumPy arrays."""
    if LEGACY:
        return [variable.numpy() for variable in variables]
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]


def metric_variables(model: Any) -> list[Any]:
    """Returns the variables in which a model's metrics keep what they have seen of an epoch."""
    if LEGACY:
        return [variable for metric in model.metrics for variable in metric.variables]
    variables: list[Any] = model.metrics_variables
    return variables


def build_metrics(model: Any, batch: Any) -> None:
    """Has a compiled model's metrics make their variables, which else the first step does.

    Args:
        model: The model.
        batch: A batch of the data: `(x, y)` or `(x, y, sample_weight)`.
    """
    if not LEGACY:
        model._symbolic_build(data_batch=batch)
