"""What a run's summary says of a model."""

from typing import Any, Final

import wandb

from wk_core.description import described
from wk_metrics.model.flops import count_flops
from wk_metrics.model.graph import draw
from wk_metrics.model.info import layer_table

_NAME: Final = "WandbCallback"


def model_facts(model: Any, *, graph: bool, flops: bool) -> dict[str, Any]:
    """Returns what is known of a model, by the name of the summary's entry.

    What cannot be had is left out, which is said with the reason.

    Args:
        model: The model.
        graph: Whether to draw its layers, as `graph`. Where Keras does not know how they connect,
            there is a table of them instead, as `model/layers`, which is said.
        flops: Whether to count the floating-point operations of one example, in billions, as
            `GFLOPs`. Where they cannot be counted there is no entry, which is said.
    """
    facts: dict[str, Any] = {}
    if graph:
        facts |= described(lambda: _drawn(model), "`graph`", _NAME) or {}
    if flops:
        facts |= described(lambda: _counted(model), "`GFLOPs`", _NAME) or {}
    return facts


def _drawn(model: Any) -> dict[str, Any]:
    drawn = draw(model)
    if drawn is not None:
        return {"graph": drawn}
    wandb.termlog(
        f"{_NAME}: Keras knows no graph of {model.name!r}, since it is neither Sequential nor "
        "functional: the summary has its layers as `model/layers`."
    )
    return {"model/layers": layer_table(model)}


def _counted(model: Any) -> dict[str, Any]:
    count = count_flops(model)
    if count is not None:
        return {"GFLOPs": count / 1e9}
    wandb.termlog(
        f"{_NAME}: the operations of {model.name!r} cannot be counted here: the summary has no "
        "`GFLOPs`."
    )
    return {}
