"""A callback that logs a model's weights."""

import wandb

from wk_metrics.periodic_logger import PeriodicLogger
from wk_metrics.weights.weight_source import WeightSource


class WandbWeightLogger(PeriodicLogger):
    """Logs histograms of a model's weights to W&B, at the end of each epoch.

    Training waits only until the weights are put aside, which takes next to nothing: on TensorFlow
    they are not even copied. A row has, besides `epoch`, a histogram with 64 bins of each array:

    - `parameters/<layer>.weights` and `parameters/<layer>.bias`, for layers that have these two,
      or an array of weights alone;
    - `parameters/<weight>` for every other weight, trained or not, under its own name, as
      `parameters/lstm/lstm_cell/recurrent_kernel` or `parameters/batch_normalization/gamma`: its
      path in Keras 3, without the name of the model itself. Weights that share a name, as those
      of nested models may, have their layer's name before it;
    - the same with `.non_finite` behind it: how many values are NaN or infinite, which the
      histogram leaves out; only where there are any.

    Args:
        every: After every how many epochs weights are logged. Defaults to 1.
        run: The run to log to. Defaults to the active one.

    Raises:
        wandb.Error: If no run is given or active, or if it is finished.
        ValueError: If `every` is below 1.

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
