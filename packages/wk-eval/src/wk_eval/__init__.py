"""Logs a Keras model's predictions to Weights & Biases: tables, pictures and curves."""

from wk_eval.eval_callback import WandbEvalCallback
from wk_eval.tasks.classification import ClassificationEval
from wk_eval.tasks.detection import DetectionEval
from wk_eval.tasks.regression import RegressionEval
from wk_eval.tasks.segmentation import SegmentationEval
from wk_eval.tasks.text_classification import TextClassificationEval
from wk_eval.tasks.token_classification import TokenClassificationEval

__all__ = [
    "ClassificationEval",
    "DetectionEval",
    "RegressionEval",
    "SegmentationEval",
    "TextClassificationEval",
    "TokenClassificationEval",
    "WandbEvalCallback",
]
