"""What a run's summary says of a model."""

from typing import Any

import wandb

from wk_legacy.flops import count_flops
from wk_legacy.graph import draw
from wk_metrics.model_info import layer_table


def model_facts(model: Any, *, graph: bool, flops: bool) -> dict[str, Any]:
    """Returns what is known of a model that is built, by the name of the summary's entry.

    Args:
        model: The model.
        graph: Whether to draw its layers, as `graph`. Where Keras does not know how they connect,
            there is a table of them instead, as `model/layers`, which is said.
        flops: Whether to count the floating-point operations of one example, in billions, as
            `GFLOPs`. Where they cannot be counted there is no entry, which is said.
    """
    facts: dict[str, Any] = {}
    if graph:
        drawn = draw(model)
        if drawn is None:
            wandb.termlog(
                f"WandbCallback: Keras knows no graph of {model.name!r}, since it is neither "
                "Sequential nor functional: the summary has its layers as `model/layers`."
            )
            facts["model/layers"] = layer_table(model)
        else:
            facts["graph"] = drawn
    if flops:
        count = count_flops(model)
        if count is None:
            wandb.termlog(
                f"WandbCallback: the operations of {model.name!r} cannot be counted here: the "
                "summary has no `GFLOPs`."
            )
        else:
            facts["GFLOPs"] = count / 1e9
    return facts
