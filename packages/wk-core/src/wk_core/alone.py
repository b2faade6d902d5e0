"""A check that one process alone can read the model."""

from typing import Any

from wk_core.spread import is_spread
from wk_core.strategy import workers_strategy

__all__: list[str] = []  # for the callbacks of wk


def check_alone(callback: Any, model: Any) -> None:
    """Raises an error if only several processes together can read the model.

    One process alone would wait for the others forever.

    Raises:
        ValueError: If the model is trained by several processes together.
    """
    if workers_strategy(model) is not None or is_spread(model):
        raise ValueError(
            f"{type(callback).__name__} looks into a model in one process alone, but this one is "
            "trained by several processes together. Use WandbMetricsLogger, WandbModelCheckpoint "
            "and the callbacks of wk-eval there: they know how the processes take part."
        )
