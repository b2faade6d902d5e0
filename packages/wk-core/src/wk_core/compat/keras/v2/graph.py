"""The graph of a model, and files of whole models, on Keras 2."""

from typing import Any

import numpy as np

__all__ = [
    "functional_part",
    "load_hdf5_optimizer",
    "node_call",
    "place_of_tensor",
    "write_saved_model",
]


def functional_part(model: Any) -> Any:
    """Returns what knows how the layers of a model are connected; None where nothing does."""
    return model if getattr(model, "_is_graph_network", False) else None


def node_call(node: Any) -> tuple[Any, list[tuple[Any, int]]]:
    """Returns the layer that a node of the graph calls, and the places of its inputs."""
    return node.layer, [(layer, number) for layer, _, number, _ in node.iterate_inbound()]


def place_of_tensor(tensor: Any) -> tuple[Any, int]:
    """Returns the layer that a symbolic tensor comes from, and the number of its output."""
    layer, _, number = tensor._keras_history
    return layer, number


def load_hdf5_optimizer(optimizer: Any, file: Any) -> None:
    """Sets an optimizer's variables from the open `.h5` file of a whole model.

    Keras 2 cannot load those of a `LossScaleOptimizer`, which is left as it is.
    """
    if hasattr(optimizer, "inner_optimizer"):
        return
    from tf_keras.src.saving.legacy import hdf5_format

    stored = hdf5_format.load_optimizer_weights_from_hdf5_group(file)
    optimizer.set_weights([np.asarray(value) for value in stored])


def write_saved_model(model: Any, path: Any, options: Any) -> None:
    """Writes a model as a TensorFlow SavedModel."""
    model.save(path, save_format="tf", options=options)
