"""Regression: numbers, and how far off they are."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import wandb

from wk_eval.data.labels import Labels, class_names
from wk_eval.data.structures import describe
from wk_eval.tasks.base import Evaluation
from wk_eval.tasks.regression_results import RegressionResults


class RegressionEval(Evaluation):
    """Looks at the numbers that a model predicts for examples of the validation data.

    The table of predictions has the prediction and the error, which is the prediction less the
    target, of each example; the largest errors come first. The run gets, under `val/`: the mean
    absolute error, the root of the mean squared error, the largest error and R²; the residuals
    over the predictions, as a chart and as a picture; and the hardest examples. A last table,
    `moves`, has each example's prediction in each of the epochs.

    All of it is about the examples that were chosen: of arrays `num_samples` at equal distances,
    of other data the first ones.

    Args:
        data: `(inputs, targets)`, or anything that yields such tuples in batches: a
            `tf.data.Dataset`, a `PyDataset`, a `DataLoader`, a generator. Targets are numbers,
            shape (n,) or (n, values).
        labels: The names of the values, where there are several. Defaults to their numbers.
        num_samples: How many examples are looked at; None for all. Defaults to 100.
        batch_size: How many examples are predicted at once. Defaults to 32.
        output: Which of several outputs, and of the targets that belong to them, by name or by
            position.
        show: What the tables show of an example: a function that takes its input and returns a
            cell, or cells by column. Defaults to pictures, text and numbers as they are.
        name: The name of the data: of the artifact of examples, and in front of the keys. Name it
            where there are several evaluations. Defaults to `"val"`.
        run: The run to log to. Defaults to the active one.
        every: After every how many epochs it evaluates. Defaults to 1.
        aliases: Aliases of each version of the predictions, besides `latest`.

    Raises:
        wandb.Error: If no run is given or active, or if it is finished.
        ValueError: If an argument is not as above; when training begins, if data, labels and
            model do not fit.

    Example:
        ```python
        import keras
        import numpy as np
        import wandb
        from wk_eval import RegressionEval

        x, y = np.random.rand(64, 4), np.random.rand(64)
        model = keras.Sequential([keras.layers.Dense(1)])
        model.compile(loss="mse")

        with wandb.init(mode="offline"):
            model.fit(x, y, epochs=2, verbose=0, callbacks=[RegressionEval((x, y))])
        ```
    """

    def __init__(
        self,
        data: Any,
        *,
        labels: Labels | None = None,
        num_samples: int | None = 100,
        batch_size: int = 32,
        output: str | int | None = None,
        show: Callable[[Any], Any] | None = None,
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
            show=show,
            name=name,
            run=run,
            every=every,
            aliases=aliases,
        )
        self._given_labels = labels
        self._labels: list[str] = []
        self._values: npt.NDArray[np.float64] = np.empty((0, 0))

    def _inspect(self, outputs: Any) -> None:
        targets = self._targets
        kinds = [getattr(each, "dtype", np.dtype(object)).kind for each in (targets, outputs)]
        if not all(kind in "biuf" for kind in kinds) or max(targets.ndim, outputs.ndim) > 2:
            raise ValueError(
                "Targets and outputs must be numbers, shape (n,) or (n, values). Received: "
                f"targets={describe(targets)}, outputs={describe(outputs)}; which of several is "
                "meant, say with `output`"
            )
        self._values = targets.reshape(len(targets), -1).astype(np.float64)
        count = self._values.shape[1]
        if outputs.reshape(len(outputs), -1).shape[1] != count:
            raise ValueError(
                "The model must put out as many values as there are targets. Received: "
                f"targets={describe(targets)}, outputs={describe(outputs)}"
            )
        named = self._given_labels is not None
        names = class_names(self._given_labels, None if named else count, what="values")
        if len(names) != count:
            raise ValueError(
                f"`labels` must name each of the {count} values. Received: "
                f"labels={self._given_labels!r}"
            )
        self._labels = names
        suffixes = [f" {label}" for label in self._labels] if count > 1 else [""]
        self._truth_columns = [f"target{suffix}" for suffix in suffixes]
        self._result_columns = [
            *(f"prediction{suffix}" for suffix in suffixes),
            *(f"error{suffix}" for suffix in suffixes),
        ]

    def _new_results(self) -> RegressionResults:
        return RegressionResults(self._values, self._labels)

    def _truth_cells(self, number: int) -> list[Any]:
        return [float(value) for value in self._values[number]]
