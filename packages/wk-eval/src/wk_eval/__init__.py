"""A Keras model's predictions in Weights & Biases: tables, pictures and curves."""

from wk_eval.classification import ClassificationEval
from wk_eval.detection import DetectionEval
from wk_eval.eval_callback import WandbEvalCallback
from wk_eval.regression import RegressionEval
from wk_eval.segmentation import SegmentationEval
from wk_eval.text_classification import TextClassificationEval
from wk_eval.token_classification import TokenClassificationEval

__all__ = [
    "ClassificationEval",
    "DetectionEval",
    "RegressionEval",
    "SegmentationEval",
    "TextClassificationEval",
    "TokenClassificationEval",
    "WandbEvalCallback",
]
