"""A model as a graph of its layers."""

from typing import Any

import wandb
from wandb.data_types import Node

from wk_core.compat.keras.graph import Call, calls_of, outputs_of
from wk_metrics.model.info import size_of


def draw(model: Any) -> wandb.Graph | None:
    """Returns the graph of a model's layers; None if Keras does not know how they are connected.

    Layers of a nested model have its name as a prefix, such as `"encoder/conv"`.

    Args:
        model: A model that is built.

    Example:
        ```python
        import keras
        from wk_metrics.model.graph import draw

        graph = draw(keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, name="head")]))
        assert [node.class_name for node in graph.nodes] == ["InputLayer", "Dense"]
        assert graph["head"].num_parameters == 5
        ```
    """
    calls = calls_of(model)
    if calls is None:
        return None
    drawing = _Drawing()
    drawing.add(model, calls, prefix="", sources=None)
    graph: wandb.Graph = drawing.graph
    return graph


class _Drawing:
    """A graph that is being drawn."""

    def __init__(self) -> None:
        self.graph: Any = wandb.Graph()  # type: ignore[no-untyped-call]  # wandb's
        self._edges: set[tuple[str, str]] = set()

    def add(
        self, model: Any, calls: list[Call], prefix: str, sources: list[Node] | None
    ) -> list[Node]:
        """Adds a model's layers; returns the nodes of the model's outputs.

        Args:
            model: The model.
            calls: The calls of its layers.
            prefix: The prefix of the names of its layers.
            sources: The nodes of its inputs, in order; None for the outermost model.
        """
        ends: dict[int, list[Node]] = {}
        inputs = [call.layer for call in calls if not call.sources]
        for call in calls:
            into = [self._end_of(ends, layer, number) for layer, number in call.sources]
            if not call.sources and sources is not None and len(sources) == len(inputs):
                # There is one input layer for each input, in the order of the inputs.
                into = [sources[_position(model, call.layer, inputs)]]
            elif not call.sources and sources is not None:
                into = sources
            ends[id(call.layer)] = self._add_call(call, prefix, into)
        return [self._end_of(ends, layer, number) for layer, number in outputs_of(model)]

    def _add_call(self, call: Call, prefix: str, into: list[Node]) -> list[Node]:
        nested = calls_of(call.layer)
        name = f"{prefix}{call.layer.name}"
        if nested is not None:
            return self.add(call.layer, nested, f"{name}/", into)
        node = self.graph.nodes_by_id.get(name)  # a layer that is shared is called several times
        if node is None:
            node = self.graph.add_node(_node(name, call))
        for source in into:
            if (source.id, name) not in self._edges:
                self._edges.add((source.id, name))
                self.graph.add_edge(source, node)
        return [node]

    @staticmethod
    def _end_of(ends: dict[int, list[Node]], layer: Any, number: int) -> Node:
        nodes = ends[id(layer)]
        return nodes[number] if len(nodes) > 1 else nodes[0]


def _position(model: Any, layer: Any, inputs: list[Any]) -> int:
    names = list(getattr(model, "input_names", None) or [])
    return names.index(layer.name) if layer.name in names else inputs.index(layer)


def _node(name: str, call: Call) -> Node:
    shapes = [list(shape) for shape in call.output_shapes]
    return Node(  # type: ignore[no-untyped-call]  # wandb's
        id=name,
        name=name,
        class_name=type(call.layer).__name__,
        output_shape=shapes[0] if len(shapes) == 1 else shapes,
        num_parameters=size_of(getattr(call.layer, "weights", ())),  # operations have none
    )
