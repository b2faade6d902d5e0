"""The callback that logs the gradients of a model's loss."""

from typing import Any

import wandb

from wk_metrics.gradients.gradient_source import GradientSource
from wk_metrics.periodic_logger import PeriodicLogger


class WandbGradientLogger(PeriodicLogger):
    """Logs histograms and norms of the gradients of the loss to W&B, at the end of each epoch.

    The gradients of the loss over all of `training_data`, with the weights at the end of the epoch.
    A layer whose gradients have almost vanished no longer learns; gradients that grow announce that
    training is about to diverge. A row has, besides `epoch`:

    - `gradients/<weight>.gradient`, for each trainable weight: a histogram with 64 bins;
    - `gradients/<layer>.norm`, for each layer of the model: the norm of the gradients of all its
      weights;
    - `gradients/global_norm`: the norm of all gradients;
    - `gradients/<weight>.gradient.non_finite`: how many values of a gradient are NaN or infinite,
      if there are any. The histogram leaves them out, and the norms become NaN or infinite.

    `<weight>` is the weight's name, such as `dense/kernel`: its path in Keras 3, without the name
    of the model. If several weights share a name, the name of their layer comes first.

    The loss is the loss that training minimizes: the model's own, with sample weights,
    regularization and losses added by layers. The model is called with `training=True`: dropout
    drops, and normalization uses the statistics of each batch. Weights, statistics, random numbers,
    metrics and optimizer stay as they are, and training goes on as without this callback. The
    callback cannot see the `class_weight` of `fit`. If mixed precision scales the loss, the
    gradients are those of the unscaled loss.

    On a CPU, TensorFlow and JAX compute gradients of arrays while the next epoch trains; in all
    other cases training waits.

    The gradient over all of the data is the mean over the batches, weighted by their numbers of
    samples, as Keras weights the losses that it shows.

    Args:
        training_data: A tuple `(x, y)` or `(x, y, sample_weight)` of arrays with the samples along
            the first axis, or of several arrays in a dictionary or a list, as `fit` accepts them;
            or batches of such tuples: a `tf.data.Dataset`, a Keras `PyDataset`, a PyTorch
            `DataLoader`, or any other iterable that can be iterated over repeatedly.
        batch_size: The number of samples in a batch, if `training_data` are arrays. Defaults to the
            batch size of `fit`, but to at least 512 if samples are vectors, which is faster.
        every: The number of epochs from one row to the next, counted over the whole training.
            Defaults to 1.
        run: The run to log to. Defaults to the active run.

    Raises:
        wandb.Error: If no run is given or active, or if it is finished.
        TypeError: If `training_data` are of another kind, or can be iterated over only once.
        ValueError: If `training_data` have no samples, no end, or arrays of different lengths; if
            `batch_size` or `every` is below 1; when `fit` begins, if the model has no loss or no
            trainable weights, or if several processes share it.

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
