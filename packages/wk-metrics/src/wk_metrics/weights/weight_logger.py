"""The callback that logs a model's weights."""

import wandb

from wk_metrics.periodic_logger import PeriodicLogger
from wk_metrics.weights.weight_source import WeightSource


class WandbWeightLogger(PeriodicLogger):
    """Logs histograms of a model's weights to W&B, at the end of each epoch.

    Training waits only for a snapshot of the weights, which takes almost no time; on TensorFlow it
    is not even a copy. A row has, besides `epoch`, a histogram with 64 bins of each weight:

    - `parameters/<layer>.weights` and `parameters/<layer>.bias`, for layers with a single weight,
      or with a weight and a bias;
    - `parameters/<weight>` for every other weight, trainable or not, under its own name, such as
      `parameters/lstm/lstm_cell/recurrent_kernel` or `parameters/batch_normalization/gamma`: its
      path in Keras 3, without the name of the model. If several weights share a name, as in nested
      models, the name of their layer comes first;
    - the same key with `.non_finite` appended: how many values are NaN or infinite, if there are
      any. The histogram leaves them out.

    Args:
        every: The number of epochs from one row to the next, counted over the whole training.
            Defaults to 1.
        run: The run to log to. Defaults to the active run.

    Raises:
        wandb.Error: If no run is given or active, or if it is finished.
        ValueError: If `every` is below 1; when `fit` begins, if several processes share the model.

    Example:
        ```python
        import keras
        import numpy as np
        import wandb
        from wk_metrics import WandbWeightLogger

        x, y = np.random.rand(64, 8), np.random.rand(64, 1)
        model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(1, name="head")])
        model.compile(loss="mse")

        with wandb.init(mode="offline") as run:
            model.fit(x, y, epochs=2, verbose=0, callbacks=[WandbWeightLogger()])
            assert sum(run.summary["parameters/head.weights"]["values"]) == 8
        ```
    """

    def __init__(self, *, every: int = 1, run: wandb.Run | None = None) -> None:
        super().__init__("parameters", run=run, every=every)

    def _new_source(self) -> WeightSource:
        return WeightSource()
