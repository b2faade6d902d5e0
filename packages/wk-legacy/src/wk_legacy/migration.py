"""Arguments of `WandbCallback`: what replaces them in new code, and their older names."""

import difflib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

import wandb


@dataclass(frozen=True)
class Successor:
    """The replacement of an argument in new code.

    Attributes:
        package: The package that has it.
        use: The call.
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
"""The replacement of each argument in new code."""

RENAMED: Final[dict[str, str]] = {"data_type": "input_type"}
"""Names of arguments in older releases, which are still accepted, and their names today."""


def with_today_names(given: Mapping[str, Any]) -> dict[str, Any]:
    """Returns arguments under their names of today; warns about each older name.

    Args:
        given: Arguments by name; names may be those of older releases.
    """
    arguments = dict(given)
    for old, new in RENAMED.items():
        value = arguments.pop(old, None)
        if value is not None:
            wandb.termwarn(f"WandbCallback takes `{old}={value!r}` as `{new}={value!r}`.")
            arguments[new] = value
    return arguments


def refuse_unknown(unknown: Collection[str], known: Collection[str]) -> None:
    """Raises an error that names an unknown argument and the known one nearest to it.

    Raises:
        TypeError: If there is an unknown argument.
    """
    for name in unknown:
        near = next(iter(difflib.get_close_matches(name, known, 1)), None)
        if near is not None:
            advice = f"Did you mean `{near}`?"
        else:
            advice = f"Its arguments are: {', '.join(known)}."
        raise TypeError(f"`{name}` is not an argument of WandbCallback. {advice}")
