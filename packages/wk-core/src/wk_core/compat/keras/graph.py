"""How the layers of a model are connected, and what goes into it, where Keras knows."""

from dataclasses import dataclass
from typing import Any

from wk_core.compat.entries import say_missing, stands_on
from wk_core.compat.keras.flavour import flatten, functional_part, node_call, place_of_tensor

__all__ = ["Call", "all_layers", "calls_of", "input_structure", "outputs_of", "own_layers"]


@dataclass(frozen=True)
class Call:
    """One call of a layer in a functional model.

    Attributes:
        layer: The layer, a nested model, or another operation on tensors.
        sources: The call's inputs: layers, each with the number of one of its outputs.
        output_shapes: The shapes of its outputs; None where a dimension is not known.
    """

    layer: Any
    sources: tuple[tuple[Any, int], ...]
    output_shapes: tuple[tuple[int | None, ...], ...]


@stands_on(
    "model._flatten_layers",
    why="`model.layers` has not those within layers, and a class of the user's may override it",
    versions="Keras 3.0 to 3.15, Keras 2",
    without="layers within layers that are no models are left out",
)
def all_layers(model: Any) -> list[Any]:
    """Returns a model and all layers in it, those inside of layers too."""
    if hasattr(model, "_flatten_layers"):
        return list(model._flatten_layers())
    say_missing(all_layers)
    inner = [layer for each in getattr(model, "layers", ()) for layer in all_layers(each)]
    return [model, *inner]


@stands_on(
    "functional._nodes_by_depth",
    why="the calls of a functional model's layers have no public name",
    versions="Keras 3.0 to 3.15, Keras 2",
    without="the graph of a model is left out, and its table of layers logged",
)
def calls_of(model: Any) -> list[Call] | None:
    """Returns the calls of a model's layers, from the inputs to the outputs.

    Args:
        model: A model. A `Sequential` one counts as functional as soon as its shapes are known.

    Returns:
        The calls; None where Keras does not know them, as of a subclassed model.
    """
    by_depth = getattr(functional_part(model), "_nodes_by_depth", None)
    if by_depth is None:
        return None
    return [_call(node) for depth in sorted(by_depth, reverse=True) for node in by_depth[depth]]


def input_structure(model: Any) -> Any:
    """Returns the symbolic inputs of a model: one, or a list, tuple or dictionary of them.

    Args:
        model: A model.

    Returns:
        The inputs; None where `calls_of` does not know the calls either.
    """
    functional = functional_part(model)
    return None if functional is None else functional.input


def outputs_of(model: Any) -> list[tuple[Any, int]]:
    """Returns the layers, each with the number of the output, that make a model's outputs.

    Args:
        model: A model of which `calls_of` knows the calls.
    """
    return [place_of_tensor(tensor) for tensor in functional_part(model).outputs]


def own_layers(model: Any) -> list[Any]:
    """Returns a model's own layers, not those within them, as Keras knows them.

    A class of the user's may have something else as its `layers`.
    """
    for kind in type(model).__mro__:
        if "layers" in vars(kind) and kind.__module__.partition(".")[0] in ("keras", "tf_keras"):
            return list(vars(kind)["layers"].fget(model))
    return list(model.layers)


def _call(node: Any) -> Call:
    layer, sources = node_call(node)
    shapes = tuple(tuple(output.shape) for output in flatten(node.outputs))
    return Call(layer, tuple(sources), shapes)
