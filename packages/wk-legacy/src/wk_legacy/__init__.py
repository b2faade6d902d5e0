"""`WandbCallback`, the all-in-one Keras callback for Weights & Biases, and what it is made of."""

from wk_legacy.callback import WandbCallback
from wk_legacy.gradient_logger import GradientLogger
from wk_legacy.weight_logger import WeightLogger

__all__ = ["GradientLogger", "WandbCallback", "WeightLogger"]
