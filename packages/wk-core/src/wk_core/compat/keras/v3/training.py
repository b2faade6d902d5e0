"""The training step, on Keras 3."""

from typing import Any, Literal

import keras

from wk_core.compat.entries import say_missing, stands_on

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
    return int(model.steps_per_execution)


@stands_on(
    "model._compile_metrics",
    "model._compile_metrics._user_metrics",
    why="a model names the metrics of `compile` after its first batch only",
    versions="Keras 3.2 to 3.15",
    without="the description of a model says nothing of its metrics",
)
def compiled_metrics(model: Any) -> Any:
    """Returns the metrics as `compile` got them; None where it got none."""
    if not hasattr(model, "_compile_metrics"):
        say_missing(compiled_metrics)
        return None
    return getattr(model._compile_metrics, "_user_metrics", None)


@stands_on(
    "model._compile_metrics",
    why="`model.metrics` has the metrics of `compile` after the first batch only, as one container",
    versions="Keras 3.2 to 3.15",
    without="the direction of a metric of `compile` is told by its name alone",
)
def all_metrics(model: Any) -> list[Any]:
    """Returns a model's metrics, with those of `compile` as far as they are known yet."""
    if not hasattr(model, "_compile_metrics"):
        say_missing(all_metrics)
        return list(model.metrics)
    return [*model.metrics, *getattr(model._compile_metrics, "metrics", ())]


@stands_on(
    "metric._direction",
    why="a metric does not say publicly whether less or more of it is better",
    versions="Keras 3.0 to 3.15",
    without="the direction of a metric is told by its name and its class",
)
def own_direction(metric: Any) -> Literal["min", "max"] | None:
    """Returns whether less or more of a metric is better, where it says so."""
    directions: dict[Any, Literal["min", "max"]] = {"down": "min", "up": "max"}
    return directions.get(getattr(metric, "_direction", None))


@stands_on(
    "model._loss_tracker",
    why="the trainers' count of samples has no public name",
    versions="Keras 3.0 to 3.15",
    without="the throughput in samples is left out",
)
def loss_tracker(model: Any) -> Any:
    """Returns the mean of the batches' losses, weighted by their numbers of samples; or None."""
    if not hasattr(model, "_loss_tracker"):
        say_missing(loss_tracker)
        return None
    return model._loss_tracker


@stands_on(
    "model._call_has_training_arg",
    why="a layer does not say publicly whether its `call` takes `training`",
    versions="Keras 3.0 to 3.15",
    without="the model is called with `training=True`, which Keras ignores where it is not taken",
)
def training_outputs(model: Any, inputs: Any) -> Any:
    """Calls the model with `training=True`, as its training step does, on a batch of inputs."""
    if getattr(model, "_call_has_training_arg", True):
        return model(inputs, training=True)
    return model(inputs)


@stands_on(
    "model._compute_loss",
    why="the public `compute_loss` may be overridden without the argument `training`",
    versions="Keras 3.4 to 3.15",
    without="the public `compute_loss` is called",
)
def training_loss(model: Any, x: Any, y: Any, y_pred: Any, sample_weight: Any) -> Any:
    """Returns the loss that training minimizes: the compiled loss plus losses added by layers."""
    compute = getattr(model, "_compute_loss", None) or model.compute_loss
    return compute(x, y, y_pred, sample_weight, training=True)


@stands_on(
    "model._compile_loss",
    why="a model does not say publicly whether it was compiled with a loss",
    versions="Keras 3.0 to 3.15",
    without="every compiled model counts as one with a loss, and Keras says what is missing",
)
def has_compiled_loss(model: Any) -> bool:
    """Returns whether a model was compiled with a loss."""
    return getattr(model, "_compile_loss", model) is not None


def loss_scale(optimizer: Any) -> float:
    """Returns the factor that mixed precision puts on the loss, so that no gradient vanishes."""
    return float(keras.ops.convert_to_numpy(optimizer.scale_loss(keras.ops.ones(()))))


def scale_in_step(optimizer: Any) -> Any:
    """Returns the factor that the gradients which an optimizer is given still have; None without.

    Within a step it is a tensor where it changes; else a number.
    """
    scale_loss = getattr(optimizer, "scale_loss", None)  # an optimizer of the user's may have none
    scale = None if scale_loss is None else scale_loss(1.0)
    return None if isinstance(scale, float) and scale == 1.0 else scale


def skips_overflows(optimizer: Any) -> bool:
    """Returns whether an optimizer skips an update whose gradients are not finite."""
    return isinstance(optimizer, keras.optimizers.LossScaleOptimizer)


@stands_on(
    "model._symbolic_build",
    why="metrics make their variables in the first step only",
    versions="Keras 3.2 to 3.15",
    without="a training that goes on within an epoch counts its metrics anew from there",
)
def build_metrics(model: Any, batch: Any) -> None:
    """Makes the variables of a compiled model's metrics, which else the first step does.

    Args:
        model: The model.
        batch: A batch of the data: `(x, y)` or `(x, y, sample_weight)`.
    """
    if hasattr(model, "_symbolic_build"):
        model._symbolic_build(data_batch=batch)
    else:
        say_missing(build_metrics)


def optimizer_parts(optimizer: Any) -> list[Any] | None:
    """Returns the optimizers among which a `MultiOptimizer` divides the variables; else None.

    If a function chooses the optimizer of a variable, there are none until the first update.
    """
    kind = getattr(keras.optimizers, "MultiOptimizer", None)  # since Keras 3.15
    return [*optimizer.optimizers] if kind is not None and isinstance(optimizer, kind) else None
