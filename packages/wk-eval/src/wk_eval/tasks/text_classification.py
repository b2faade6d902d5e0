"""Classification of texts."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import wandb

from wk_eval.data.labels import Labels
from wk_eval.data.vocabulary import Vocabulary, token_texts
from wk_eval.tasks.classification import ClassificationEval


class TextClassificationEval(ClassificationEval):
    """Looks at what a model predicts for texts of the validation data, epoch by epoch.

    It does what `ClassificationEval` does, with the same arguments, and shows the examples as
    text: strings as they are, rows of token numbers by means of a vocabulary.

    Args:
        data: `(texts, targets)`, or anything that yields such tuples in batches: a
            `tf.data.Dataset`, a `PyDataset`, a `DataLoader`, a generator. Texts are strings, shape
            (n,) or (n, 1), or token numbers, shape (n, tokens), where 0 at the end is padding.
        vocabulary: What the numbers stand for: a list, as `TextVectorization.get_vocabulary()`
            returns it, or a function from an array of numbers to a text or to a list of tokens.
            Defaults to None: numbers are shown.
        labels: The names of the classes, in a list or by number. Defaults to their numbers.
        multi_label: Whether an example can be of several classes, or of none. Defaults to False.
        from_logits: Whether the model puts out logits instead of probabilities. Defaults to what
            the loss of `model.compile` says.
        top_k: How many of the likeliest classes are listed. Defaults to 3.
        threshold: The probability from which a class counts as predicted with `multi_label`.
            Defaults to 0.5.
        curves: Whether curves are drawn. Defaults to True.
        num_samples: How many examples are looked at; None for all. Defaults to 100.
        batch_size: How many examples are predicted at once. Defaults to 32.
        output: Which of several outputs, and of the targets that belong to them, by name or by
            position.
        name: The name of the data: of the artifact of examples, and in front of the keys. Name it
            where there are several evaluations. Defaults to `"val"`.
        run: The run to log to. Defaults to the active one.
        every: After every how many epochs it evaluates. Defaults to 1.
        aliases: Aliases of each version of the predictions, besides `latest`.

    Raises:
        wandb.Error: If no run is given or active, or if it is finished.
        ValueError: If an argument is not as above; when training begins, if data, labels,
            vocabulary and model do not fit.

    Example:
        ```python
        import keras
        import numpy as np
        import wandb
        from wk_eval import TextClassificationEval

        vocabulary = ["", "bad", "good", "very"]
        x, y = np.array([[3, 2, 0], [1, 0, 0], [3, 1, 0], [2, 0, 0]]), np.array([1, 0, 0, 1])
        model = keras.Sequential(
            [
                keras.layers.Embedding(4, 8),
                keras.layers.GlobalAveragePooling1D(),
                keras.layers.Dense(1, activation="sigmoid"),
            ]
        )
        model.compile(loss="binary_crossentropy")

        with wandb.init(mode="offline"):
            evaluation = TextClassificationEval((x, y), vocabulary=vocabulary, labels=["no", "yes"])
            model.fit(x, y, epochs=2, verbose=0, callbacks=[evaluation])
        ```
    """

    def __init__(
        self,
        data: Any,
        *,
        vocabulary: Vocabulary | None = None,
        labels: Labels | None = None,
        multi_label: bool = False,
        from_logits: bool | None = None,
        top_k: int = 3,
        threshold: float = 0.5,
        curves: bool = True,
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
            labels=labels,
            multi_label=multi_label,
            from_logits=from_logits,
            top_k=top_k,
            threshold=threshold,
            curves=curves,
            num_samples=num_samples,
            batch_size=batch_size,
            output=output,
            name=name,
            run=run,
            every=every,
            aliases=aliases,
        )
        self._vocabulary = vocabulary

    def _shown_cells(self, number: int) -> dict[str, Any]:
        shown = self._samples.named_inputs()
        names = {"input": "text"} if len(shown) == 1 else {}
        return {
            names.get(name, name): " ".join(
                token_texts(np.atleast_1d(array[number]), self._vocabulary)
            )
            for name, array in shown.items()
        }
