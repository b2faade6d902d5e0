"""The graph of a model, and files of whole models, on Keras 3."""

from typing import Any

import keras
import numpy as np

from wk_core.compat.entries import find, say_missing, stands_on

__all__ = [
    "functional_part",
    "load_hdf5_optimizer",
    "node_call",
    "place_of_tensor",
    "write_saved_model",
]


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
