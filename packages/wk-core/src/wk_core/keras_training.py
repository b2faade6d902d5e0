"""What a step of a training does with a model, piece by piece, on either Keras."""

from typing import Any

from wk_core.keras import LEGACY, backend, keras
from wk_core.spread import whole

__all__ = [
    "frozen_value",
    "has_loss",
    "is_compiled",
    "loss_scale",
    "training_loss",
    "training_outputs",
]


def is_compiled(model: Any) -> bool:
    """Tells whether a model's steps are compiled, so that its Python code runs when traced only.

    On JAX, Keras compiles no model with a layer that says that it cannot be (`RandomCrop`).
    """
    if getattr(model, "run_eagerly", False):
        return False
    return backend() == "tensorflow" or (
        backend() == "jax" and bool(getattr(model, "jit_compile", True))
    )


def training_outputs(model: Any, inputs: Any) -> Any:
    """Returns what a model puts out in training, for a batch of inputs."""
    if LEGACY or model._call_has_training_arg:
        return model(inputs, training=True)
    return model(inputs)


def training_loss(model: Any, x: Any, y: Any, y_pred: Any, sample_weight: Any) -> Any:
    """Returns the loss that training makes less: that of `compile`, and what the model adds."""
    if LEGACY:
        return model.compute_loss(x, y, y_pred, sample_weight)
    # The public `compute_loss` may be overridden without the argument `training`.
    return model._compute_loss(x, y, y_pred, sample_weight, training=True)


def has_loss(model: Any) -> bool:
    """Tells whether a model was compiled with a loss, or has another way to one."""
    if LEGACY:
        given = model.compiled_loss is not None and model.compiled_loss._user_losses is not None
    else:
        given = model._compile_loss is not None
    own = getattr(type(model), "compute_loss", None) is not keras.Model.compute_loss
    return given or own or bool(model.losses)


def loss_scale(model: Any) -> float:
    """Returns the factor that mixed precision puts on the loss, so that no gradient vanishes."""
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None:
        return 1.0
    if LEGACY:
        wrapper = keras.mixed_precision.LossScaleOptimizer
        return float(optimizer.loss_scale) if isinstance(optimizer, wrapper) else 1.0
    return float(keras.ops.convert_to_numpy(optimizer.scale_loss(keras.ops.ones(()))))


def frozen_value(variable: Any) -> Any:
    """Returns a variable's value, which stays as it is whatever training does to the variable.

    That costs next to nothing on TensorFlow, where it shares the variable's memory until the next
    assignment, and a copy on the device elsewhere. The training state must be in the variables
    (`wk_core.keras.sync_state`). Where each process has a part of the value, all of them have to
    call this, in the same order.
    """
    if LEGACY:
        return variable.read_value()
    value = variable.value
    match backend():
        case "tensorflow":
            return value.read_value()
        case "torch":
            return value.detach().clone()
        case _:
            return keras.ops.copy(whole(value))  # the next step on JAX gives the array itself away
