"""Whether less or more of a metric is better."""

import re
from typing import Any, Final, Literal, TypeAlias

from wk_core.compat.keras.flavour import all_metrics, own_direction

__all__ = ["Direction", "metric_direction"]

Direction: TypeAlias = Literal["min", "max"]

_MORE: Final = re.compile(
    "acc|accuracy|auc|auprc|auroc|bleu|correlation|dice|f1|f2|fbeta|fmeasure|iou|jaccard|kappa|"
    "precision|psnr|r2|recall|sensitivity|similarity|specificity|ssim"
)
_LESS: Final = re.compile(
    "cer|crossentropy|divergence|err|error|hinge|kld|logcosh|loss|mae|mape|mse|msle|nll|"
    "perplexity|poisson|rmse|rmsle|wer"
)


def metric_direction(metric: str, model: Any) -> Direction | None:
    """Returns whether less or more of a metric is better; None where nothing tells.

    The metric's own word counts first, as Keras 3 knows it once the model has been trained on a
    batch; then its name, and then its class's name: `my_auc` and `AUC(name="mine")` are known.

    Args:
        metric: Its name in Keras' logs, as `"val_loss"`.
        model: The compiled model.

    Example:
        ```python
        import keras
        from wk_core.monitor import metric_direction

        model = keras.Sequential([keras.layers.Dense(1)])
        model.compile(loss="mse", metrics=["mae"])
        assert metric_direction("val_mae", model) == "min"
        ```
    """
    name = metric.removeprefix("val_")
    measures = _measures(name, model)
    own = {own_direction(measure) for measure in measures} - {None}
    if len(own) == 1:
        return own.pop()
    # Of metrics of several outputs that contradict one another, the classes do not tell either.
    classes = [] if own else [word for measure in measures for word in _class_words(measure)]
    return _told_by(_words(name)) or _told_by(classes)


def _measures(name: str, model: Any) -> list[Any]:
    """Returns the metrics of that name, with or without the name of an output before it."""
    found = [one for one in all_metrics(model) if name == one.name or name.endswith(f"_{one.name}")]
    longest = max((len(one.name) for one in found), default=0)
    return [one for one in found if len(one.name) == longest]


def _words(name: str) -> list[str]:
    """Returns the words of `top5_acc_2`, with and without their numbers."""
    words = re.findall("([a-z]+)([0-9]*)", name.lower())
    return [form for word, number in words for form in (word, word + number)]


def _class_words(measure: Any) -> list[str]:
    """Returns the words of the name of a metric's class, as `MeanIoU`: those it ends with."""
    name = type(measure).__name__.lower()
    return [name[start:] for start in range(len(name))]


def _told_by(words: list[str]) -> Direction | None:
    """Goes by the last telling word: of `accuracy_loss` less is better."""
    for word in reversed(words):
        if _MORE.fullmatch(word):
            return "max"
        if _LESS.fullmatch(word):
            return "min"
    return None
