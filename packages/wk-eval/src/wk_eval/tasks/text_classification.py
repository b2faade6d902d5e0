"""Classification of texts."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import wandb

from wk_eval.data.labels import Labels
from wk_eval.data.vocabulary import Vocabulary, token_texts
from wk_eval.tasks.classification import ClassificationEval


class TextClassificationEval(ClassificationEval):
    """Logs what a classifier predicts for texts of the validation data, epoch by epoch.

    It logs the same as `ClassificationEval`, with the same arguments, and shows the examples as
    text: strings as they are, token numbers as the tokens of a vocabulary.

    Args:
        data: `(texts, targets)`, or an iterable of such tuples in batches: a
            `tf.data.Dataset`, a `PyDataset`, a `DataLoader`, a generator. Texts are strings, shape
            (n,) or (n, 1), or token numbers, shape (n, tokens), where 0 at the end is padding.
        vocabulary: The tokens: a list, as `TextVectorization.get_vocabulary()` returns it, or a
            function from an array of token numbers to a text or to a list of tokens. Defaults to
            None, which shows the numbers.
        labels: The names of the classes, in a list or by number. Defaults to their numbers.
        multi_label: Whether an example can have several classes, or none. Defaults to False.
        from_logits: Whether the model returns logits instead of probabilities. Defaults to the
            setting of the compiled loss.
        top_k: The number of likeliest classes to list. Defaults to 3.
        threshold: With `multi_label`, the probability from which a class counts as predicted.
            Defaults to 0.5.
        curves: Whether to draw curves. Defaults to True.
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
