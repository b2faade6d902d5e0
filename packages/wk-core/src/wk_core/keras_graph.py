"""How the layers of a model are connected, and what goes into it, where Keras knows."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from wk_core.keras import LEGACY, keras

__all__ = ["Call", "calls_of", "input_structure", "outputs_of", "own_layers"]


@dataclass(frozen=True)
class Call:
    """One call of a layer in a functional model.

    Attributes:
        layer: The layer, a nested model, or another operation on tensors.
        sources: What the call takes: layers, each with the number of one of its outputs.
        output_shapes: The shapes of what it puts out; None where a dimension is not known.
    """

    layer: Any
    sources: tuple[tuple[Any, int], ...]
    output_shapes: tuple[tuple[int | None, ...], ...]


def calls_of(model: Any) -> list[Call] | None:
    """Returns the calls of a model's layers, from the inputs to the outputs.

    Args:
        model: A model. A `Sequential` one counts as functional as soon as its shapes are known.

    Returns:
        The calls; None where Keras does not know them, as of a subclassed model.
    """
    functional = _functional(model)
    if functional is None:
        return None
    by_depth = functional._nodes_by_depth
    return [_call(node) for depth in sorted(by_depth, reverse=True) for node in by_depth[depth]]


def input_structure(model: Any) -> Any:
    """Returns the symbolic inputs of a model: one, or a list, tuple or dictionary of them.

    Args:
        model: A model.

    Returns:
        The inputs; None where `calls_of` does not know the calls either.
    """
    functional = _functional(model)
    return None if functional is None else functional.input


def outputs_of(model: Any) -> list[tuple[Any, int]]:
    """Returns the layers, each with the number of the output, that make a model's outputs.

    Args:
        model: A model of which `calls_of` knows the calls.
    """
    return [_source(tensor) for tensor in _functional(model).outputs]


def own_layers(model: Any) -> list[Any]:
    """Returns a model's own layers, not those within them, as Keras knows them.

    A class of the user's may have something else as its `layers`.
    """
    for kind in type(model).__mro__:
        if "layers" in vars(kind) and kind.__module__.partition(".")[0] in ("keras", "tf_keras"):
            return list(vars(kind)["layers"].fget(model))
    return list(model.layers)


def _functional(model: Any) -> Any:
    if LEGACY:
        return model if getattr(model, "_is_graph_network", False) else None
    if isinstance(model, keras.Sequential):
        return model._functional
    return model if isinstance(model, keras.Function) else None


def _call(node: Any) -> Call:
    outputs = keras.tree.flatten(node.outputs) if not LEGACY else _flat(node.outputs)
    shapes = tuple(tuple(output.shape) for output in outputs)
    if LEGACY:
        sources = tuple((layer, number) for layer, _, number, _ in node.iterate_inbound())
        return Call(node.layer, sources, shapes)
    sources = tuple(_source(tensor) for tensor in node.arguments.keras_tensors)
    return Call(node.operation, sources, shapes)


def _source(tensor: Any) -> tuple[Any, int]:
    operation, _, number = tensor._keras_history
    return operation, number


def _flat(structure: Any) -> Iterator[Any]:
    """Yields the tensors in a structure of Keras 2."""
    if isinstance(structure, dict):
        for key in sorted(structure):
            yield from _flat(structure[key])
    elif isinstance(structure, (list, tuple)):
        for each in structure:
            yield from _flat(each)
    else:
        yield structure
