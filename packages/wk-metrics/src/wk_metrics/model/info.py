"""Facts about a model, for a run's config and summary."""

import json
import math
from collections.abc import Callable, Mapping
from typing import Any, Final

import wandb

from wk_core.compat.keras.flavour import compiled_metrics, keras
from wk_core.compat.keras.graph import own_layers
from wk_core.description import described, distinct

_NAME: Final = "WandbMetricsLogger"


def log_model_info(run: wandb.Run, model: Any) -> None:
    """Logs facts about a model: all of them to the run's config, the main ones to its summary.

    Facts that cannot be known are left out, with a warning.
    """
    info = describe_model(model)
    config: Any = run.config  # wandb leaves its methods untyped
    config.update({"model_info": info}, allow_val_change=True)
    summary: dict[str, Any] = {}
    if "parameters" in info:
        summary = {
            "model/parameters": info["parameters"]["total"],
            "model/trainable_parameters": info["parameters"]["trainable"],
            "model/non_trainable_parameters": info["parameters"]["non_trainable"],
        }
    table = described(lambda: layer_table(model), "`model/layers`", _NAME)
    run.summary.update(summary if table is None else {**summary, "model/layers": table})


def layer_table(model: Any) -> wandb.Table:
    """Returns a table of a model's layers, without layers that cannot be described."""
    table = wandb.Table(columns=["layer", "class", "output shape", "parameters", "trainable"])
    for name, facts in _describe_layers(model).items():
        table.add_data(
            name,
            facts["class"],
            str(facts["output_shape"]),
            facts["parameters"],
            facts["trainable"],
        )
    return table


def describe_model(model: Any) -> dict[str, Any]:
    """Returns facts about a model and how it was compiled, as JSON values.

    Returns:
        `name`, `class`; `parameters` with `total`, `trainable` and `non_trainable`, each a number
        of scalars; `optimizer` with its `class` and settings; `loss`; `metrics`; and `layers`, a
        dictionary from a layer's name to its class, output shape, parameters and whether it is
        trainable. Facts that cannot be known are left out, with a warning.
    """
    facts: dict[str, Callable[[], Any]] = {
        "parameters": lambda: _count_parameters(model),
        "optimizer": lambda: _describe_optimizer(getattr(model, "optimizer", None)),
        "loss": lambda: _names(getattr(model, "loss", None)),
        "metrics": lambda: _names(compiled_metrics(model)),
        "layers": lambda: _describe_layers(model),
    }
    info: dict[str, Any] = {"name": model.name, "class": type(model).__name__}
    for key, find in facts.items():
        value = described(lambda find=find: (find(),), f"`model_info.{key}`", _NAME)  # type: ignore[misc]
        if value is not None:
            info[key] = value[0]
    return info


def size_of(weights: Any) -> int:
    """Returns the number of scalars in weights; a weight of unknown shape counts as 0."""
    return sum(math.prod(weight.shape) for weight in weights if _is_known(weight.shape))


def _is_known(shape: Any) -> bool:
    rank = getattr(shape, "rank", 0)  # None for TensorFlow's shape of an unknown rank
    return shape is not None and rank is not None and None not in tuple(shape)


def _count_parameters(model: Any) -> dict[str, int]:
    trainable = size_of(model.trainable_weights)
    non_trainable = size_of(model.non_trainable_weights)
    return {
        "total": trainable + non_trainable,
        "trainable": trainable,
        "non_trainable": non_trainable,
    }


def _describe_layers(model: Any) -> dict[str, dict[str, Any]]:
    """Returns facts about each layer by its name, which is made distinct if layers share it."""
    layers = own_layers(model)
    names = distinct(str(layer.name) for layer in layers)
    return {name: _describe_layer(layer) for name, layer in zip(names, layers, strict=True)}


def _describe_layer(layer: Any) -> dict[str, Any]:
    return {
        "class": type(layer).__name__,
        "output_shape": _output_shape(layer),
        "parameters": size_of(layer.weights),
        "trainable": layer.trainable,
    }


def _output_shape(layer: Any) -> Any:
    try:
        output = layer.output
    except (AttributeError, ValueError, RuntimeError):  # called without a symbolic output
        return None
    return _shapes(output)


def _shapes(output: Any) -> Any:
    """Returns the shape of each tensor in a structure; None for anything without a shape."""
    if isinstance(output, Mapping):
        return {str(key): _shapes(each) for key, each in output.items()}
    if isinstance(output, (list, tuple)):
        return [_shapes(each) for each in output]
    shape = getattr(output, "shape", None)
    return None if shape is None or getattr(shape, "rank", 0) is None else list(shape)


def _describe_optimizer(optimizer: Any) -> Any:
    """Returns an optimizer's class and settings; only its class if it has no configuration."""
    if optimizer is None:
        return None
    name = type(optimizer).__name__
    settings = described(
        lambda: _jsonable(keras.optimizers.serialize(optimizer)["config"]),
        f"the settings of optimizer {name}",
        _NAME,
    )
    return {"class": name, **(settings or {})}


def _names(spec: Any) -> Any:
    """Returns the names of losses or metrics, in the structure passed to `compile`."""
    if spec is None or isinstance(spec, str):
        return spec
    if isinstance(spec, Mapping):
        return {str(key): _names(value) for key, value in spec.items()}
    if isinstance(spec, (list, tuple)):
        return [_names(value) for value in spec]
    spec = getattr(spec, "func", spec)  # of a `functools.partial`
    return getattr(spec, "name", None) or getattr(spec, "__name__", type(spec).__name__)


def _jsonable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _jsonable(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_jsonable(each) for each in value]
    return json.loads(json.dumps(value, default=str))
