"""Keras metrics, gradients and weights in Weights & Biases."""

from wk_metrics.divergence.divergence_guard import WandbDivergenceGuard
from wk_metrics.gradients.gradient_logger import WandbGradientLogger
from wk_metrics.metrics_logger import WandbMetricsLogger
from wk_metrics.weights.weight_logger import WandbWeightLogger

__all__ = [
    "WandbDivergenceGuard",
    "WandbGradientLogger",
    "WandbMetricsLogger",
    "WandbWeightLogger",
]
