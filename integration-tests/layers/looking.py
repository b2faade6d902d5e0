"""The callbacks that look at a training, each with all that it can look at."""

import itertools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from layers.training import Training
from wk_checkpoint import WandbModelCheckpoint
from wk_eval import RegressionEval, WandbEvalCallback
from wk_legacy import WandbCallback
from wk_metrics import WandbGradientLogger, WandbMetricsLogger, WandbWeightLogger

__all__ = ["LOOKERS", "WITH_EVERY_LAYER"]

MakeCallback = Callable[[Training, Path], Any]

_numbers = itertools.count()


class _Predicting(WandbEvalCallback):
    """Predicts after each batch, as one's own callbacks do."""

    def __init__(self, x: Any) -> None:
        super().__init__(["number"], ["number", "prediction"])
        self._x = x

    def add_ground_truth(self, logs: Any = None) -> None:  # noqa: ARG002
        """Adds a row."""
        self.data_table.add_data(0)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Predicts."""
        del batch, logs
        self.predict_on_batch(self._x)

    def add_model_predictions(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Adds a row."""
        self.pred_table.add_data(epoch, float(self.predict_on_batch(self._x)[0, 0]))


def _checkpoint(ending: str) -> MakeCallback:
    def make(training: Training, path: Path) -> Any:
        del training
        return WandbModelCheckpoint(
            path / f"{next(_numbers)}{ending}",
            "loss",
            save_weights_only=ending == ".weights.h5",
            artifact=f"looked-{next(_numbers)}",
        )

    return make


def _callback_of_old(training: Training, path: Path) -> Any:
    del path
    return WandbCallback(
        monitor="loss",
        save_model=False,
        log_weights=True,
        log_gradients=True,
        training_data=(training.x, training.y),
        validation_data=(training.x, training.y),
        log_evaluation=True,
        log_evaluation_frequency=1,
        compute_flops=True,
        log_batch_frequency=1,
    )


LOOKERS: Final[Mapping[str, MakeCallback]] = {
    "WandbMetricsLogger": lambda training, path: WandbMetricsLogger("batch"),  # noqa: ARG005
    "WandbModelCheckpoint, archive": _checkpoint(".keras"),
    "WandbModelCheckpoint, weights": _checkpoint(".weights.h5"),
    "RegressionEval": lambda training, path: RegressionEval((training.x, training.y)),  # noqa: ARG005
    "WandbEvalCallback": lambda training, path: _Predicting(training.x),  # noqa: ARG005
    "WandbGradientLogger": lambda training, path: WandbGradientLogger((training.x, training.y)),  # noqa: ARG005
    "WandbWeightLogger": lambda training, path: WandbWeightLogger(),  # noqa: ARG005
    "WandbCallback": _callback_of_old,
}

# `WandbCallback` looks by the same means as the others, and costs as much as all of them.
WITH_EVERY_LAYER: Final = [make for name, make in LOOKERS.items() if name != "WandbCallback"]
