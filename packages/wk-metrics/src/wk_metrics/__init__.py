"""Keras metrics in Weights & Biases, with the right numbers."""

from wk_metrics.metrics_logger import WandbMetricsLogger

__all__ = ["WandbMetricsLogger"]
