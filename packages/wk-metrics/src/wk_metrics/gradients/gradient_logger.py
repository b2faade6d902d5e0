"""A callback that logs the gradients of a model's loss."""

from typing import Any

import wandb

from wk_metrics.gradients.gradient_source import GradientSource
from wk_metrics.periodic_logger import PeriodicLogger


class WandbGradientLogger(PeriodicLogger):
    """Logs histograms and norms of the gradients of the loss to W&B, at the end of each epoch.

    The gradients are those of the loss over the whole of `training_data`, with the weights as they
    are when the epoch ends: where they have all but vanished, a layer no longer learns; where they
    grow, training is about to diverge. A row has, besides `epoch`:

    - `gradients/<weight>.gradient`, for each trainable weight: a histogram with 64 bins;
    - `gradients/<layer>.norm`, for each layer of the model: the norm of the gradients of all of
      its weights together;
    - `gradients/global_norm`: that of all gradients;
    - `gradients/<weight>.gradient.non_finite`: how many values of a gradient are NaN or infinite,
      which the histogram leaves out; only where there are any. The norms are NaN or infinite then.

    `<weight>` is the weight's name, as `dense/kernel`: its path in Keras 3, without the name of
    the model itself. Weights that share a name have their layer's name before it.

    The loss is what training makes less: the model's own, with sample weights, regularisation and
    what layers add to it. The model computes as in training, with dropout, and with the statistics
    of each batch where it normalises batches; none of that leaves a trace: weights, statistics,
    random numbers, metrics and optimizer stay as they are, and training goes on as without this
    callback. Class weights that `fit` is given are not known to it. Where mixed precision scales
    the loss, the gradients are those of the loss before that.

    On a CPU, TensorFlow and JAX go through arrays while the next epoch trains; else training waits.

    The gradient over all of the data is the mean of those of the batches, each weighed with its
    number of samples, as Keras weighs the losses that it shows.

    Args:
        training_data: A tuple `(x, y)` or `(x, y, sample_weight)` of arrays, whose first axis is
            that of the samples, or of several arrays each, in a dictionary or a list, as `fit`
            takes them; or batches of such tuples: a `tf.data.Dataset`, a Keras `PyDataset`, a
            PyTorch `DataLoader`, or any other iterable that can be gone through again and again.
        batch_size: How many samples are looked at together, if `training_data` are arrays. Defaults
            to that of `fit`; where samples are vectors, to 512 at least, which is faster.
        every: After every how many epochs gradients are logged. Defaults to 1.
        run: The run to log to. Defaults to the active one.

    Raises:
        wandb.Error: If no run is given or active, or if it is finished.
        TypeError: If `training_data` are of another kind, or can be gone through only once.
        ValueError: If `training_data` have no samples, no end, or arrays of different lengths; if
            `batch_size` or `every` is below 1; when `fit` begins, if the model has no loss or no
            trainable weights.

    Example:
        ```python
        import keras
        import numpy as np
        import wandb
        from wk_metrics import WandbGradientLogger

        x, y = np.random.rand(64, 8), np.random.rand(64, 1)
        model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(1, name="head")])
        model.compile(loss="mse")

        with wandb.init(mode="offline") as run:
            model.fit(x, y, epochs=2, verbose=0, callbacks=[WandbGradientLogger((x, y))])
            assert run.summary["gradients/head.norm"] == run.summary["gradients/global_norm"]
        ```
    """

    def __init__(
        self,
        training_data: Any,
        *,
        batch_size: int | None = None,
        every: int = 1,
        run: wandb.Run | None = None,
    ) -> None:
        self._training_data = training_data
        self._batch_size = batch_size
        super().__init__("gradients", run=run, every=every)

    def _new_source(self) -> GradientSource:
        return GradientSource(self._training_data, batch_size=self._batch_size)
