"""Regression: numbers, and how far off they are."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import wandb

from wk_core.data.arrays import describe
from wk_eval.data.labels import Labels, class_names
from wk_eval.tasks.base import Evaluation
from wk_eval.tasks.regression_results import RegressionResults


class RegressionEval(Evaluation):
    """Logs the numbers that a model predicts for examples of the validation data.

    The table of predictions has a row for each example, largest error first: the prediction and the
    error, which is the prediction minus the target. The run gets, under `val/`: the mean absolute
    error, the root mean squared error, the largest error and R²; the residuals over the
    predictions, as a chart and as a picture; and the worst predictions. When training ends, the
    table `moves` gets each example's prediction in each epoch.

    The evaluation chooses its examples when training begins: from arrays `num_samples` at equal
    distances, from other data the first `num_samples`.

    Args:
        data: `(inputs, targets)`, or an iterable of such tuples in batches: a
            `tf.data.Dataset`, a `PyDataset`, a `DataLoader`, a generator. Targets are numbers,
            shape (n,) or (n, values).
        labels: The names of the values, if a target has several. Defaults to their numbers.
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
                f"targets={describe(targets)}, outputs={describe(outputs)}; choose one of "
                "several with `output`"
            )
        self._values = targets.reshape(len(targets), -1).astype(np.float64)
        count = self._values.shape[1]
        if outputs.reshape(len(outputs), -1).shape[1] != count:
            raise ValueError(
                "The model must return as many values as there are targets. Received: "
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
