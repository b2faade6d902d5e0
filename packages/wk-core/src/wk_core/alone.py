"""Which trainings these callbacks cannot look into."""

from typing import Any

from wk_core.spread import is_spread
from wk_core.strategy import workers_strategy

__all__: list[str] = []  # for the callbacks of wk


def check_alone(callback: Any, model: Any) -> None:
    """Raises if a model can only be looked at by several processes together.

    One of them alone would wait for the others for ever.

    Raises:
        ValueError: If it can.
    """
    if workers_strategy(model) is not None or is_spread(model):
        raise ValueError(
            f"{type(callback).__name__} looks into a model in one process alone, but this one is "
            "trained by several processes together. Use WandbMetricsLogger, WandbModelCheckpoint "
            "and the callbacks of wk-eval there: they know how the processes take part."
        )
