"""Classification, of single labels and of several at once."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import wandb

from wk_core.arguments import check_whole_number
from wk_core.data.arrays import describe
from wk_eval.data.labels import Labels, class_names
from wk_eval.plots.confusion import say_what_is_left_out
from wk_eval.tasks.base import Evaluation, Results
from wk_eval.tasks.classification_results import ClassificationResults
from wk_eval.tasks.multi_label_results import MultiLabelResults
from wk_eval.tasks.scores import Scores

# The most scores to keep for curves: 200 MB.
_MOST_SCORES = 50_000_000


class ClassificationEval(Evaluation):
    """Logs what a classifier predicts for examples of the validation data, epoch by epoch.

    The table of predictions has a row for each example, worst prediction first: the predicted
    class, its probability, the loss, and the likeliest classes. The run gets, under `val/`:
    accuracy, loss, and macro-averaged precision, recall and F1; a confusion matrix, as a chart and
    as a picture; precision-recall and ROC curves of each class; a summary of each class; and a grid
    of the worst predictions. When training ends, the table `moves` gets each example's prediction
    in each epoch.

    The evaluation chooses its examples when training begins: from arrays `num_samples` at equal
    distances, from other data the first `num_samples`.

    Args:
        data: `(inputs, targets)`, or an iterable of such tuples in batches: a
            `tf.data.Dataset`, a `PyDataset`, a `DataLoader`, a generator. Targets are class
            numbers, shape (n,) or (n, 1), one-hot rows, shape (n, classes), or with
            `multi_label` rows of zeros and ones.
        labels: The names of the classes, in a list or by number. Defaults to their numbers.
        multi_label: Whether an example can have several classes, or none. Defaults to False.
        from_logits: Whether the model returns logits instead of probabilities. Defaults to the
            setting of the compiled loss.
        top_k: The number of likeliest classes to list. Defaults to 3.
        threshold: With `multi_label`, the probability from which a class counts as predicted.
            Defaults to 0.5.
        curves: Whether to draw curves. They need the scores of all examples and classes in memory.
            Defaults to True.
        num_samples: The number of examples to evaluate; None for all. Defaults to 100.
        batch_size: The number of examples predicted at once. Defaults to 32.
        output: The output to evaluate and its targets, by name or by position, if the model has
            several outputs.
        show: A function that takes an example's input and returns the cell that the tables show,
            or cells by column. Defaults to pictures, text and numbers as they are.
        name: The name of the data: of the artifact of examples, and the first part of the keys.
            Several evaluations of a run need different names. Defaults to `"val"`.
        run: The run to log to. Defaults to the active run.
        every: Evaluate every how many epochs. Epochs are counted over the whole training, also
            across several calls of `fit` and in a resumed training. Defaults to 1.
        aliases: Aliases of each version of the predictions, besides `latest`.

    Raises:
        wandb.Error: If no run is given or active, or if the run is finished.
        ValueError: If an argument is not as above; and when training begins, if data, labels and
            model do not fit together.

    Example:
        ```python
        import keras
        import numpy as np
        import wandb
        from wk_eval import ClassificationEval

        x, y = np.random.rand(64, 8, 8, 1), np.random.randint(0, 3, 64)
        model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(3, "softmax")])
        model.compile(loss="sparse_categorical_crossentropy")

        with wandb.init(mode="offline"):
            evaluation = ClassificationEval((x, y), labels=["cat", "dog", "fox"])
            model.fit(x, y, epochs=2, verbose=0, callbacks=[evaluation])
        ```
    """

    _truth_columns = ("label",)
    _result_columns: Sequence[str] = (
        "prediction",
        "correct",
        "confidence",
        "loss",
        "top_labels",
        "top_scores",
    )

    def __init__(
        self,
        data: Any,
        *,
        labels: Labels | None = None,
        multi_label: bool = False,
        from_logits: bool | None = None,
        top_k: int = 3,
        threshold: float = 0.5,
        curves: bool = True,
        num_samples: int | None = 100,
        batch_size: int = 32,
        output: str | int | None = None,
        show: Callable[[Any], Any] | None = None,
        name: str = "val",
        run: wandb.Run | None = None,
        every: int = 1,
        aliases: Sequence[str] = (),
    ) -> None:
        top_k = check_whole_number(top_k, "top_k", of="classes")
        if not isinstance(threshold, (int, float)) or not 0 < threshold < 1:
            raise ValueError(
                f"`threshold` must be a number between 0 and 1. Received: threshold={threshold!r}"
            )
        super().__init__(
            data,
            num_samples=num_samples,
            batch_size=batch_size,
            output=output,
            show=show,
            name=name,
            run=run,
            every=every,
            aliases=aliases,
        )
        self._given_labels = labels
        self._multi_label = multi_label
        self._from_logits = from_logits
        self._top_k = top_k
        self._threshold = threshold
        self._curves = curves
        self._labels: list[str] = []
        self._scores: Scores
        self._classes: npt.NDArray[Any]

    def _inspect(self, outputs: Any) -> None:
        self._scores = Scores.of_model(
            self.model,
            outputs,
            output=self._output,
            from_logits=self._from_logits,
            independent=self._multi_label,
        )
        self._scores(outputs)
        count = self._scores.classes
        self._labels = class_names(self._given_labels, count)
        self._classes = self._checked_targets(count)
        say_what_is_left_out(type(self).__name__, count)
        if self._curves and self._samples.count * count > _MOST_SCORES:
            raise ValueError(
                f"{type(self).__name__}: the curves need the scores of {self._samples.count} "
                f"examples and {count} classes in memory: evaluate fewer examples, or pass "
                "`curves=False`."
            )

    def _new_results(self) -> Results:
        top_k = min(self._top_k, len(self._labels))
        if self._multi_label:
            return MultiLabelResults(
                self._classes,
                self._labels,
                self._scores,
                top_k=top_k,
                threshold=self._threshold,
                curves=self._curves,
            )
        return ClassificationResults(
            self._classes, self._labels, self._scores, top_k=top_k, curves=self._curves
        )

    def _truth_cells(self, number: int) -> list[Any]:
        if self._multi_label:
            return [[self._labels[each] for each in np.flatnonzero(self._classes[number])]]
        return [self._labels[self._classes[number]]]

    def _checked_targets(self, count: int) -> npt.NDArray[Any]:
        """Returns the targets as class numbers, or as rows of booleans for several labels."""
        targets = self._targets
        received = f"targets={describe(targets)}, for a model with {count} classes"
        if not isinstance(targets, np.ndarray) or targets.dtype.kind not in "biuf":
            raise ValueError(f"Classes must be numbers in one array. Received: {received}")
        if self._multi_label:
            if targets.shape != (len(targets), count) or not np.isin(targets, (0, 1)).all():
                raise ValueError(
                    "With `multi_label=True` targets must be rows of a zero or a one for each "
                    f"class. Received: {received}, with values from {targets.min()} to "
                    f"{targets.max()}"
                )
            return np.asarray(targets, bool)
        if targets.ndim == 2 and targets.shape[1] == 1:
            targets = targets[:, 0]
        if targets.ndim == 2 and targets.shape[1] == count:
            if not (np.isin(targets, (0, 1)).all() and (targets.sum(axis=1) == 1).all()):
                raise ValueError(
                    "Rows of targets must have a single one each; where an example can be of "
                    f"several classes, pass `multi_label=True`. Received: {received}"
                )
            return np.asarray(targets.argmax(axis=1))
        if targets.ndim != 1 or not (np.isin(targets, np.arange(count)).all()):
            values = f"values from {targets.min()} to {targets.max()}"
            raise ValueError(
                f"Targets must be class numbers from 0 to {count - 1}, or one-hot rows of "
                f"{count}. Received: {received}, with {values}"
            )
        return np.asarray(targets, np.intp)
