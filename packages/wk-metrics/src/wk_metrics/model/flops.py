"""The number of floating-point operations for one example."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from wk_core.compat.keras.flavour import backend, dtype_name, keras, map_structure
from wk_core.compat.keras.graph import input_structure
from wk_core.preserved_state import preserve_state

# Operations that TensorFlow's profiler does not enter, such as loops, or has no formula for.
_UNCOUNTED: Final = (
    *("While", "If", "Case", "PartitionedCall"),
    *("Einsum", "Conv3D", "Conv3DBackpropInputV2", "XlaDotV2", "XlaConvV2"),
)


def count_flops(model: Any) -> int | None:
    """Returns the number of floating-point operations of a model for one example.

    A multiplication and an addition are two operations. They are counted by TensorFlow's profiler,
    by JAX's cost analysis of the compiled program, or by PyTorch's counter, which counts products
    of matrices and convolutions only.

    Args:
        model: A model that is built.

    Returns:
        The number; None if it cannot be known: the shape of an example is not known, the model has
        a loop, text or sparse inputs, or operations that the backend's counter does not know.

    Example:
        ```python
        import keras
        from wk_metrics.model.flops import count_flops

        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
        assert count_flops(model) >= 2 * 4 * 3
        ```
    """
    example, count = _example(model), _COUNTERS.get(backend())
    if example is None or count is None:
        return None
    with preserve_state(model, in_python=True):  # Some counters call the model.
        return count(model, example) or None


def _example(model: Any) -> Any:
    """Returns an example for the model; None if its inputs are not known."""
    symbols = input_structure(model)
    if symbols is None or not all(map(_is_plain, model.inputs)):
        return None
    return map_structure(_zeros, symbols)


def _is_plain(symbol: Any) -> bool:
    """Returns whether an input is an array of a known shape: neither text nor sparse."""
    odd = any(getattr(symbol, kind, False) for kind in ("sparse", "ragged"))
    return not odd and None not in symbol.shape[1:] and dtype_name(symbol) != "string"


def _zeros(symbol: Any) -> np.ndarray[Any, Any]:
    dtype = dtype_name(symbol)
    if dtype == "bfloat16":
        dtype = "float32"
    return np.zeros((1, *symbol.shape[1:]), dtype)


def _with_tensorflow(model: Any, example: Any) -> int | None:
    import tensorflow as tf

    profiler = tf.compat.v1.profiler
    specs = map_structure(lambda array: tf.TensorSpec(array.shape, array.dtype), example)
    forward = tf.function(lambda inputs: model(inputs, training=False), autograph=False)
    graph = forward.get_concrete_function(specs).graph
    if any(operation.type.endswith(_UNCOUNTED) for operation in graph.get_operations()):
        return None
    options = profiler.ProfileOptionBuilder.float_operation()
    options["output"] = "none"
    return int(profiler.profile(graph, cmd="op", options=options).total_float_ops)


def _with_jax(model: Any, example: Any) -> int | None:
    import jax

    def forward(trainable: Any, non_trainable: Any, inputs: Any) -> Any:
        return model.stateless_call(trainable, non_trainable, inputs, training=False)

    symbol: Any = jax.ShapeDtypeStruct  # JAX leaves it untyped
    variables = [
        [symbol(each.shape, each.dtype) for each in kind]
        for kind in (model.trainable_variables, model.non_trainable_variables)
    ]
    program = jax.jit(forward).lower(*variables, example).compile()
    if " while(" in (program.as_text() or ""):  # the analysis counts a loop's body once
        return None
    return int((program.cost_analysis() or {}).get("flops", 0))


def _with_torch(model: Any, example: Any) -> int:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    inputs = map_structure(keras.ops.convert_to_tensor, example)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(inputs, training=False)
    return int(counter.get_total_flops())


_COUNTERS: Final[dict[str, Callable[[Any, Any], int | None]]] = {
    "jax": _with_jax,
    "tensorflow": _with_tensorflow,
    "torch": _with_torch,
}
