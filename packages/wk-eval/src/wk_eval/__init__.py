"""A Keras model's predictions in Weights & Biases: tables, pictures and curves."""

from wk_eval.classification import ClassificationEval
from wk_eval.eval_callback import WandbEvalCallback

__all__ = ["ClassificationEval", "WandbEvalCallback"]
