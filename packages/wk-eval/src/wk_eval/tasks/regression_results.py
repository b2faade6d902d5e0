"""The predicted numbers of one epoch."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import wandb

from wk_eval.plots.charts import scatter_chart
from wk_eval.plots.drawings import scatter_picture


class RegressionResults:
    """Collects predicted numbers.

    Args:
        targets: Shape (examples, values).
        labels: The names of the values.
    """

    def __init__(self, targets: npt.NDArray[np.float64], labels: Sequence[str]) -> None:
        self._targets = targets
        self._labels = labels
        self._predictions = np.full(targets.shape, np.nan)

    def add_batch(self, start: int, outputs: npt.NDArray[Any]) -> None:
        """Adds a batch of outputs, shape (n,) or (n, values)."""
        values = outputs.reshape(len(outputs), -1)
        self._predictions[start : start + len(values)] = values

    @property
    def _errors(self) -> npt.NDArray[np.float64]:
        return self._predictions - self._targets

    def worst_first(self) -> npt.NDArray[np.intp]:
        """Returns example indices, largest error first, and NaN before all."""
        size = np.abs(self._errors).mean(axis=1)
        return np.argsort(-np.where(np.isnan(size), np.inf, size), kind="stable")

    def cells(self, number: int) -> list[Any]:
        """Returns the predictions and the errors."""
        return [*self._predictions[number].tolist(), *self._errors[number].tolist()]

    def caption(self, number: int) -> list[str]:
        """Returns the targets, and the predictions."""
        is_ = ", ".join(f"{value:.4g}" for value in self._targets[number])
        taken_for = ", ".join(f"{value:.4g}" for value in self._predictions[number])
        return [f"is {is_}", f"taken for {taken_for}"]

    def tracked_values(self) -> list[Any]:
        """Returns the predictions; the mean absolute errors if there are several values."""
        single = len(self._labels) == 1
        values = self._predictions[:, 0] if single else np.abs(self._errors).mean(axis=1)
        return list(map(float, values))

    def report(self) -> dict[str, Any]:
        """Returns metrics and the plot of the residuals."""
        errors = self._errors
        report: dict[str, Any] = _metrics(self._targets, errors)
        for number, label in enumerate(self._labels if len(self._labels) > 1 else ()):
            column = slice(number, number + 1)
            metrics = _metrics(self._targets[:, column], errors[:, column])
            report.update({f"{key}/{label}": value for key, value in metrics.items()})
        predictions, residuals = self._predictions.ravel(), errors.ravel()
        titles = {"x_title": "prediction", "y_title": "error"}
        chart = scatter_chart(predictions, residuals, title="Residuals", **titles)
        picture = scatter_picture(predictions, residuals, **titles)
        return {**report, "residuals": chart, "residual_picture": wandb.Image(picture)}


def _metrics(targets: npt.NDArray[np.float64], errors: npt.NDArray[np.float64]) -> dict[str, float]:
    """Returns the metrics of errors, shape (examples, values); R² only if the targets differ."""
    metrics = {
        "mae": float(np.abs(errors).mean()),
        "rmse": float(np.sqrt((errors**2).mean())),
        "max_error": float(np.abs(errors).max()),
    }
    spread = ((targets - targets.mean(axis=0)) ** 2).sum(axis=0)
    if (spread > 0).all():
        metrics["r2"] = float((1 - (errors**2).sum(axis=0) / spread).mean())
    return metrics
