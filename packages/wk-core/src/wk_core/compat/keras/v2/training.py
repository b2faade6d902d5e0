"""The training step, on Keras 2."""

from typing import Any, Literal

import tf_keras as keras

from wk_core.compat.keras.v2.basics import map_structure

__all__ = [
    "all_metrics",
    "build_metrics",
    "compiled_metrics",
    "has_compiled_loss",
    "loss_scale",
    "loss_tracker",
    "optimizer_parts",
    "own_direction",
    "scale_in_step",
    "skips_overflows",
    "steps_per_execution",
    "training_loss",
    "training_outputs",
]


def steps_per_execution(model: Any) -> int:
    """Returns how many batches the model trains on between two calls of the batch hooks."""
    return int(model._steps_per_execution.numpy())


def compiled_metrics(model: Any) -> Any:
    """Returns the metrics as `compile` got them; None where it got none."""
    container = model.compiled_metrics
    return None if container is None else container._user_metrics


def all_metrics(model: Any) -> list[Any]:
    """Returns a model's metrics."""
    return list(model.metrics)


def own_direction(metric: Any) -> Literal["min", "max"] | None:  # noqa: ARG001  Keras 3's say it
    """Returns None: metrics of Keras 2 do not say whether less or more of them is better."""
    return None


def loss_tracker(model: Any) -> Any:
    """Returns the mean of the batches' losses, weighted by their numbers of samples; or None."""
    return getattr(getattr(model, "compiled_loss", None), "_total_loss_mean", None)


def training_outputs(model: Any, inputs: Any) -> Any:
    """Calls the model with `training=True`, as its training step does, on a batch of inputs."""
    return model(inputs, training=True)


def training_loss(model: Any, x: Any, y: Any, y_pred: Any, sample_weight: Any) -> Any:
    """Returns the loss that training minimizes: the compiled loss plus losses added by layers."""
    return model.compute_loss(x, y, y_pred, sample_weight)


def has_compiled_loss(model: Any) -> bool:
    """Returns whether a model was compiled with a loss."""
    return model.compiled_loss is not None and model.compiled_loss._user_losses is not None


def loss_scale(optimizer: Any) -> float:
    """Returns the factor that mixed precision puts on the loss, so that no gradient vanishes."""
    wrapper = keras.mixed_precision.LossScaleOptimizer
    return float(optimizer.loss_scale) if isinstance(optimizer, wrapper) else 1.0


def scale_in_step(optimizer: Any) -> Any:  # noqa: ARG001  Keras 3 looks at it
    """Returns None: gradients are unscaled before an optimizer is given them."""
    return None


def skips_overflows(optimizer: Any) -> bool:
    """Returns whether an optimizer skips an update whose gradients are not finite."""
    wrapper = keras.mixed_precision.LossScaleOptimizer
    return isinstance(optimizer, wrapper) and bool(optimizer.dynamic)


def build_metrics(model: Any, batch: Any) -> None:
    """Makes the variables of a compiled model's metrics, which else the first step does."""
    outputs = model(batch[0], training=False)
    if not model.compiled_loss.built:
        model.compiled_loss.build(outputs)
    if not model.compiled_metrics.built:
        model.compiled_metrics.build(outputs, map_structure(keras.backend.constant, batch[1]))


def optimizer_parts(optimizer: Any) -> list[Any] | None:  # noqa: ARG001  Keras 3 looks at it
    """Returns None: Keras 2 has no `MultiOptimizer`."""
    return None
