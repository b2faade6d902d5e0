"""`WandbCallback`, the all-in-one Keras callback for Weights & Biases."""

from wk_legacy.callback import WandbCallback

__all__ = ["WandbCallback"]
