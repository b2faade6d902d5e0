"""Classification of the tokens of texts."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import wandb

from wk_core.data.arrays import describe
from wk_eval.data.labels import Labels, class_names
from wk_eval.data.vocabulary import Vocabulary, token_texts
from wk_eval.plots.confusion import say_what_is_left_out
from wk_eval.tasks.base import Evaluation
from wk_eval.tasks.scores import Scores
from wk_eval.tasks.token_classification_results import TokenResults


class TokenClassificationEval(Evaluation):
    """Logs the classes that a model gives to the tokens of texts, as parts of speech or names.

    The table of predictions has a row for each text, worst prediction first: the tokens, their true
    and predicted classes, the wrong predictions, and the accuracy. The run gets, under `val/`: the
    accuracy over all tokens, macro-averaged precision, recall and F1; a confusion matrix, as a
    chart and as a picture; a summary of each class; and the worst predictions. When training ends,
    the table `moves` gets each text's accuracy in each epoch.

    The evaluation chooses its examples when training begins: from arrays `num_samples` at equal
    distances, from other data the first `num_samples`.

    Args:
        data: `(texts, targets)`, or an iterable of such tuples in batches: a
            `tf.data.Dataset`, a `PyDataset`, a `DataLoader`, a generator. Texts are token numbers
            or tokens, and targets are class numbers, both of shape (n, tokens).
        labels: The names of the classes, in a list or by number. Defaults to their numbers.
        vocabulary: The tokens: a list, or a function from an array of token numbers to a list of
            tokens. Defaults to None, which shows the numbers.
        ignore: A class number to ignore, as that of padding. Defaults to -1.
        from_logits: Whether the model returns logits instead of probabilities. Defaults to the
            setting of the compiled loss.
        num_samples: The number of examples to evaluate; None for all. Defaults to 100.
        batch_size: The number of examples predicted at once. Defaults to 32.
        output: The output to evaluate and its targets, by name or by position, if the model has
            several outputs.
        name: The name of the data: of the artifact of examples, and the first part of the keys.
            Several evaluations of a run need different names. Defaults to `"val"`.
        run: The run to log to. Defaults to the active run.
        every: Evaluate every how many epochs. Epochs are counted over the whole training, also
            across several calls of `fit` and in a resumed training. Defaults to 1.
        aliases: Aliases of each version of the predictions, besides `latest`.

    Raises:
        wandb.Error: If no run is given or active, or if the run is finished.
        ValueError: If an argument is not as above; and when training begins, if data, labels,
            vocabulary and model do not fit together.

    Example:
        ```python
        import keras
        import numpy as np
        import wandb
        from wk_eval import TokenClassificationEval

        vocabulary = ["", "the", "cat", "sleeps"]
        x, y = np.array([[1, 2, 3], [2, 3, 0]]), np.array([[0, 1, 2], [1, 2, -1]])
        model = keras.Sequential(
            [keras.layers.Embedding(4, 8), keras.layers.Dense(3, activation="softmax")]
        )
        model.compile(loss=keras.losses.SparseCategoricalCrossentropy(ignore_class=-1))

        with wandb.init(mode="offline"):
            evaluation = TokenClassificationEval(
                (x, y), vocabulary=vocabulary, labels=["article", "noun", "verb"]
            )
            model.fit(x, y, epochs=2, verbose=0, callbacks=[evaluation])
        ```
    """

    _truth_columns = ("labels",)
    _result_columns: Sequence[str] = ("predictions", "wrong", "accuracy")

    def __init__(
        self,
        data: Any,
        *,
        labels: Labels | None = None,
        vocabulary: Vocabulary | None = None,
        ignore: int | None = -1,
        from_logits: bool | None = None,
        num_samples: int | None = 100,
        batch_size: int = 32,
        output: str | int | None = None,
        name: str = "val",
        run: wandb.Run | None = None,
        every: int = 1,
        aliases: Sequence[str] = (),
    ) -> None:
        super().__init__(
            data,
            num_samples=num_samples,
            batch_size=batch_size,
            output=output,
            show=None,
            name=name,
            run=run,
            every=every,
            aliases=aliases,
        )
        self._given_labels = labels
        self._vocabulary = vocabulary
        self._ignore = ignore
        self._from_logits = from_logits
        self._labels: list[str] = []
        self._classes: npt.NDArray[np.int64] = np.empty((0, 0), np.int64)

    def _inspect(self, outputs: Any) -> None:
        if not isinstance(outputs, np.ndarray) or outputs.ndim != 3:
            raise ValueError(
                "The model must return a score of each class for each token, shape (n, tokens, "
                f"classes). Received: outputs={describe(outputs)}; choose one of "
                "several with `output`"
            )
        scores = Scores.of_model(
            self.model,
            outputs,
            output=self._output,
            from_logits=self._from_logits,
            independent=False,
        )
        self._labels = class_names(self._given_labels, scores.classes)
        self._scores = scores
        scores(outputs)
        say_what_is_left_out(type(self).__name__, scores.classes)
        targets = self._targets
        if targets.shape != (self._samples.count, outputs.shape[1]):
            raise ValueError(
                "Targets must be class numbers, shape (n, tokens). Received: targets="
                f"{describe(targets)}, for outputs={describe(outputs)}"
            )
        numbers = np.unique(targets)
        known = np.isin(numbers, np.arange(scores.classes))
        if self._ignore is not None:
            known |= numbers == self._ignore
        wrong = numbers[~known].tolist()
        if wrong:
            raise ValueError(
                f"Targets must be class numbers from 0 to {scores.classes - 1}; a number that "
                f"stands for no class is given as `ignore`. Received: the values {wrong[:5]}"
            )
        counted = np.ones(targets.shape, bool) if self._ignore is None else targets != self._ignore
        self._classes = np.where(counted, targets, -1).astype(np.int64)

    def _new_results(self) -> TokenResults:
        return TokenResults(self._classes, self._labels, self._scores, self._tokens)

    def _tokens(self, number: int) -> list[str]:
        first = next(iter(self._samples.named_inputs().values()))
        return token_texts(first[number], self._vocabulary)

    def _shown_cells(self, number: int) -> dict[str, Any]:
        return {"text": " ".join(self._tokens(number))}

    def _truth_cells(self, number: int) -> list[Any]:
        return [[self._labels[each] for each in self._classes[number] if each >= 0]]
