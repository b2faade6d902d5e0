"""Facts about a model, for a run's config."""

import json
import math
from typing import Any

import wandb

from wk_core.keras import compiled_metrics, keras


def log_model_info(run: wandb.Run, model: Any) -> None:
    """Puts a model's facts into a run: all into its config, the main ones into its summary."""
    info = describe_model(model)
    config: Any = run.config  # wandb leaves its methods untyped
    config.update({"model_info": info}, allow_val_change=True)
    run.summary.update(
        {
            "model/parameters": info["parameters"]["total"],
            "model/trainable_parameters": info["parameters"]["trainable"],
            "model/non_trainable_parameters": info["parameters"]["non_trainable"],
            "model/layers": layer_table(model),
        }
    )


def layer_table(model: Any) -> wandb.Table:
    """Returns a table of a model's layers."""
    table = wandb.Table(columns=["layer", "class", "output shape", "parameters", "trainable"])
    for layer in model.layers:
        facts = _describe_layer(layer)
        table.add_data(
            layer.name,
            facts["class"],
            str(facts["output_shape"]),
            facts["parameters"],
            facts["trainable"],
        )
    return table


def describe_model(model: Any) -> dict[str, Any]:
    """Returns what the model is and how it was compiled, in values that JSON takes.

    Returns:
        `name`, `class`; `parameters` with `total`, `trainable` and `non_trainable`, each a number
        of scalars; `optimizer` with its `class` and settings; `loss`; `metrics`; and `layers`, a
        dictionary from a layer's name to its class, output shape, parameters and whether it is
        trainable.
    """
    return {
        "name": model.name,
        "class": type(model).__name__,
        "parameters": _count_parameters(model),
        "optimizer": _describe_optimizer(getattr(model, "optimizer", None)),
        "loss": _names(getattr(model, "loss", None)),
        "metrics": _names(compiled_metrics(model)),
        "layers": {layer.name: _describe_layer(layer) for layer in model.layers},
    }


def _count_parameters(model: Any) -> dict[str, int]:
    trainable = _size(model.trainable_weights)
    non_trainable = _size(model.non_trainable_weights)
    return {
        "total": trainable + non_trainable,
        "trainable": trainable,
        "non_trainable": non_trainable,
    }


def _describe_layer(layer: Any) -> dict[str, Any]:
    return {
        "class": type(layer).__name__,
        "output_shape": _output_shape(layer),
        "parameters": _size(layer.weights),
        "trainable": layer.trainable,
    }


def _output_shape(layer: Any) -> Any:
    try:
        output = layer.output
    except AttributeError:  # called by a subclassed model, so without a symbolic output
        return None
    if isinstance(output, dict):
        return {key: list(tensor.shape) for key, tensor in output.items()}
    if isinstance(output, (list, tuple)):
        return [list(tensor.shape) for tensor in output]
    return list(output.shape)


def _describe_optimizer(optimizer: Any) -> Any:
    if optimizer is None:
        return None
    settings = keras.optimizers.serialize(optimizer)["config"]
    return {"class": type(optimizer).__name__, **_jsonable(settings)}


def _names(spec: Any) -> Any:
    """Returns the names of losses or metrics, in the structure in which `compile` got them."""
    if spec is None or isinstance(spec, str):
        return spec
    if isinstance(spec, dict):
        return {key: _names(value) for key, value in spec.items()}
    if isinstance(spec, (list, tuple)):
        return [_names(value) for value in spec]
    return getattr(spec, "name", None) or getattr(spec, "__name__", type(spec).__name__)


def _size(weights: Any) -> int:
    return sum(math.prod(weight.shape) for weight in weights)


def _jsonable(value: Any) -> Any:
    return json.loads(json.dumps(value, default=str))
