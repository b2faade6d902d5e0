"""Where each argument of `WandbCallback` has gone in new code."""

from dataclasses import dataclass
from typing import Final

__all__ = ["RENAMED", "SUCCESSORS", "Successor"]


@dataclass(frozen=True)
class Successor:
    """What does the work of an argument in new code.

    Attributes:
        package: The package.
        use: The call, or the part of it that matters.
    """

    package: str
    use: str

    def __str__(self) -> str:
        return f"`{self.use}` of {self.package}"


_BEST: Final = "WandbModelCheckpoint(filepath, save_best_only=True"
_EVALUATION: Final = Successor("wk-eval", "ClassificationEval(data)")

SUCCESSORS: Final[dict[str, Successor]] = {
    "monitor": Successor("wk-checkpoint", "WandbModelCheckpoint(filepath, monitor)"),
    "verbose": Successor("wk-checkpoint", "WandbModelCheckpoint(filepath, verbose=1)"),
    "mode": Successor("wk-checkpoint", "WandbModelCheckpoint(filepath, mode=mode)"),
    "save_weights_only": Successor("wk-checkpoint", f"{_BEST}, save_weights_only=True)"),
    "log_weights": Successor("wk-metrics", "WandbWeightLogger()"),
    "log_gradients": Successor("wk-metrics", "WandbGradientLogger(training_data)"),
    "save_model": Successor("wk-checkpoint", f"{_BEST})"),
    "training_data": Successor("wk-metrics", "WandbGradientLogger(training_data)"),
    "validation_data": _EVALUATION,
    "labels": Successor("wk-eval", "ClassificationEval(data, labels=labels)"),
    "predictions": Successor("wk-eval", "ClassificationEval(data, num_samples=36)"),
    "generator": _EVALUATION,
    "input_type": Successor("wk-eval", "ClassificationEval(data, show=picture_of)"),
    "output_type": Successor("wk-eval", "SegmentationEval(data)"),
    "log_evaluation": _EVALUATION,
    "validation_steps": Successor("wk-eval", "ClassificationEval(data, num_samples=None)"),
    "class_colors": Successor("wk-eval", "SegmentationEval(data, labels=labels)"),
    "log_batch_frequency": Successor("wk-metrics", "WandbMetricsLogger(log_freq=10)"),
    "log_best_prefix": Successor("wandb", 'run.define_metric("epoch/val_loss", summary="min")'),
    "save_graph": Successor("wk-metrics", "WandbMetricsLogger(log_model_info=True)"),
    "validation_indexes": Successor("wk-eval", "WandbEvalCallback.log_pred_table"),
    "validation_row_processor": Successor("wk-eval", "WandbEvalCallback.add_ground_truth"),
    "prediction_row_processor": Successor("wk-eval", "WandbEvalCallback.add_model_predictions"),
    "output_row_processor": Successor("wk-eval", "WandbEvalCallback.add_model_predictions"),
    "infer_missing_processors": _EVALUATION,
    "log_evaluation_frequency": Successor("wk-eval", "ClassificationEval(data, every=2)"),
    "compute_flops": Successor("wk-metrics", "wk_metrics.model.flops.count_flops(model)"),
}
"""What does the work of each argument in new code."""

RENAMED: Final[dict[str, str]] = {"data_type": "input_type"}
"""Names that arguments of `WandbCallback` had in older releases; all of them are taken."""
