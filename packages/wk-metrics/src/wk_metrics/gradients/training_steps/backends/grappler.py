"""Tensors of a TensorFlow graph that can be looked at without a change to the graph's results."""

from collections.abc import Callable
from typing import Any, Final

import tensorflow as tf

_BINARY: Final = ("Mul", "Add", "AddV2", "Sub")


def looked_at(tensor: Any, after: Any) -> Any:
    """Returns a tensor with the values of another one, to be used in its place.

    TensorFlow's optimizer of graphs, Grappler, reorders sums and products as long as nothing else
    uses what is in between, and rounds differently then: a gradient that one more operation reads
    is not multiplied by the learning rate in the same order. So the elementwise operations that
    give the tensor are made once more.

    Args:
        tensor: A tensor, symbolic or not, or the rows of an embedding.
        after: Another tensor of the graph, so that Grappler does not see that both are the same.
    """
    if isinstance(tensor, tf.IndexedSlices):
        values = looked_at(tensor.values, after)
        return tf.IndexedSlices(values, tensor.indices, tensor.dense_shape)
    if tf.executing_eagerly():
        return tensor
    with tf.control_dependencies([after]):
        return _again(tensor, {})


def _again(tensor: Any, known: dict[Any, Any]) -> Any:
    made = known.get(tensor.ref())
    if made is None:
        made = known[tensor.ref()] = _made_again(tensor, lambda each: _again(each, known))
    return made


def _made_again(tensor: Any, again: Callable[[Any], Any]) -> Any:
    operation = tensor.op
    inputs = list(operation.inputs)
    if operation.type in _BINARY:
        x, y = map(again, inputs)
        return getattr(tf.raw_ops, operation.type)(x=x, y=y)
    if operation.type == "AddN":
        return tf.raw_ops.AddN(inputs=[again(each) for each in inputs])
    if operation.type == "Neg":
        return tf.raw_ops.Neg(x=again(inputs[0]))
    if operation.type == "Identity":
        return again(inputs[0])
    if operation.type == "Cast":
        return tf.raw_ops.Cast(x=again(inputs[0]), DstT=tensor.dtype)
    return tensor
