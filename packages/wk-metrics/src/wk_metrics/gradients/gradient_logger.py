"""The callback that logs the gradients of a training."""

from collections.abc import Mapping
from typing import Any

import wandb

from wk_core.arguments import check_whole_number
from wk_core.compat.keras.hooks import restore_default_hook
from wk_metrics.batches import Frequency, LogFreq
from wk_metrics.gradients.gradient_source import GradientSource
from wk_metrics.gradients.training_steps.session import StepSession, StepSettings
from wk_metrics.periodic_logger import EpochSession, PeriodicLogger


class WandbGradientLogger(PeriodicLogger):
    """Logs the gradients of a training to W&B: norms, histograms and the sizes of updates.

    They are the gradients of the training's own steps, taken inside the compiled step: no data are
    gone through again, and training goes on bit for bit as without this callback. They are those of
    the loss of each batch, before clipping, with the scale of mixed precision undone.

    An epoch's row has, with the x axis `epoch/epoch` of `WandbMetricsLogger`:

    - `epoch/grad_norm` and `epoch/grad_norm_max`: the mean and the maximum of the norms of all
      gradients together, over the steps that were looked at;
    - `epoch_gradients/<layer>.norm` and `.norm_max`: the same for the weights of each layer;
    - `epoch_gradients/<weight>.gradient`: a histogram of the steps that were looked at in full,
      with a bin for each sign and power of two, of at most 16,384 values of the weight a step;
    - `epoch_gradients/<weight>.update_ratio`: how far a step moved the weight, over the norm of the
      weight: the mean of those steps;
    - `epoch_gradients/<weight>.gradient.non_finite`: the number of NaN and infinite values in those
      steps, if there are any; `epoch/grad_non_finite_steps`: the number of steps with a norm that
      is NaN or infinite, if there are any, which the means leave out;
    - `epoch/grad_skipped_steps`: the number of steps that dynamic loss scaling skipped.

    With a batch frequency, the row of a batch has `batch/grad_norm`, with the x axis
    `batch/batch_step`, and where it was looked at in full the entries of layers and weights under
    `batch_gradients/`. Of several optimizers, the keys of those that are not the one of `compile`
    have their place in the model, as `batch/grad_norm/d_optimizer`.

    The norms of a step cost up to 6 % of it, those of large dense layers more. The first steps are
    timed, and if norms cost more than 2 %, they are taken in fewer steps, which is said. Under
    `tf.distribute.MirroredStrategy`, norms are those of the steps that are looked at in full. Where
    steps cannot be looked at, as those of a loop of your own, this is said once, and nothing is
    logged.

    With `training_data`, the callback instead goes through these data at the end of each epoch, and
    logs the gradients of the loss over all of them, with the weights at that time. A row has,
    besides `epoch`:

    - `gradients/<weight>.gradient`, for each trainable weight: a histogram with 64 bins;
    - `gradients/<layer>.norm`, for each layer of the model: the norm of the gradients of all its
      weights;
    - `gradients/global_norm`: the norm of all gradients;
    - `gradients/<weight>.gradient.non_finite`: how many values of a gradient are NaN or infinite,
      if there are any. The histogram leaves them out, and the norms become NaN or infinite.

    The loss is the loss that training minimizes, with the model called with `training=True`; the
    gradient over all of the data is the mean over the batches, weighted by their numbers of
    samples. The callback cannot see the `class_weight` of `fit`. On a CPU, TensorFlow and JAX
    compute gradients of arrays while the next epoch trains; in all other cases training waits.

    `<weight>` is the weight's name, such as `dense/kernel`: its path in Keras 3, without the name
    of the model. If several weights share a name, the name of their layer comes first.

    Args:
        training_data: The data whose gradients are logged instead: a tuple `(x, y)` or
            `(x, y, sample_weight)` of arrays with the samples along the first axis, or of several
            arrays in a dictionary or a list, as `fit` accepts them; or batches of such tuples: a
            `tf.data.Dataset`, a Keras `PyDataset`, a PyTorch `DataLoader`, or any other iterable
            that can be iterated over repeatedly.
        log_freq: Which batches have a row of their own: none, `"epoch"`; each, `"batch"`; or a
            whole number N, for the batches 0, N, 2N … of the training. Defaults to `"epoch"`.
        full_every: The number of batches from one that is looked at in full to the next; the last
            batch of an epoch is looked at, too. Defaults to 100.
        norms_every: The number of steps from one whose norms are taken to the next. Defaults to
            None: as many as cost at most 2 % of the time, or 0.5 ms a step.
        accumulated: Whether to look at the mean gradients with which an optimizer with
            `gradient_accumulation_steps` updates the weights, instead of at the gradients of each
            batch. Then what is due is logged with the next update, and each step is looked at.
            Defaults to False.
        batch_size: The number of samples in a batch, if `training_data` are arrays. Defaults to the
            batch size of `fit`, but to at least 512 if samples are vectors, which is faster.
        every: The number of epochs from one row of the gradients of `training_data` to the next,
            counted over the whole training. Defaults to 1.
        run: The run to log to. Defaults to the active run.

    Raises:
        wandb.Error: If no run is given or active, or if it is finished.
        TypeError: If `training_data` are of another kind, or can be iterated over only once.
        ValueError: If `training_data` have no samples, no end, or arrays of different lengths; if a
            number is below 1, or `log_freq` is not as above; if an argument belongs to the other
            kind of gradients, or has no effect. When `fit` begins, if another callback of it has
            another `accumulated`; or if the gradients of `training_data` are asked for and the
            model has no loss or no trainable weights, or several processes share it.

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
            model.fit(x, y, epochs=2, verbose=0, callbacks=[WandbGradientLogger()])
            assert run.summary["epoch/grad_norm"] <= run.summary["epoch/grad_norm_max"]
        ```
    """

    # Keras may call other callbacks' hooks from its pool of threads.
    async_safe = True

    def __init__(
        self,
        training_data: Any = None,
        *,
        log_freq: LogFreq = "epoch",
        full_every: int = 100,
        norms_every: int | None = None,
        accumulated: bool = False,
        batch_size: int | None = None,
        every: int = 1,
        run: wandb.Run | None = None,
    ) -> None:
        others: dict[str, tuple[Any, Any]]
        if training_data is None:
            others = {"batch_size": (batch_size, None), "every": (every, 1)}
            of = "`training_data`"
        else:
            others = {
                "log_freq": (log_freq, "epoch"),
                "full_every": (full_every, 100),
                "norms_every": (norms_every, None),
                "accumulated": (accumulated, False),
            }
            of = "the training's steps"
        _check_left_out(others, of)
        if accumulated and norms_every not in (None, 1):
            raise ValueError(
                "With `accumulated=True`, each step is looked at, and `norms_every` has no effect. "
                f"Received: norms_every={norms_every!r}"
            )
        self._training_data = training_data
        self._batch_size = batch_size
        self._settings = StepSettings(
            frequency=Frequency.parse(log_freq),
            full=Frequency(check_whole_number(full_every, "full_every", of="batches")),
            norms_every=_steps_or_none(norms_every),
            accumulated=accumulated,
        )
        if training_data is not None:
            restore_default_hook(self, WandbGradientLogger, "on_train_batch_begin")
        super().__init__("gradients", run=run, every=every)

    def _begin_session(self, run: wandb.Run) -> EpochSession:
        if self._training_data is None:
            return StepSession(run, self._settings, type(self).__name__)
        return super()._begin_session(run)

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Prepares to look at the steps, or at the data.

        Raises:
            ValueError: If the model or the data do not fit.
        """
        if self._training_data is None:
            self._session.begin_fit(self.model, self.params)
        else:
            super().on_train_begin(logs)

    def on_train_batch_begin(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Announces the steps that begin."""
        if isinstance(self._session, StepSession):
            self._session.begin_batch(batch)

    def _new_source(self) -> GradientSource:
        return GradientSource(self._training_data, batch_size=self._batch_size)


def _check_left_out(arguments: Mapping[str, tuple[Any, Any]], of: str) -> None:
    """Checks that arguments of the other kind of gradients have their defaults."""
    for name, (value, default) in arguments.items():
        if value != default:
            raise ValueError(
                f"`{name}` belongs to the gradients of {of}, which this callback does not log. "
                f"Received: {name}={value!r}"
            )


def _steps_or_none(number: int | None) -> int | None:
    if number is None:
        return None
    return check_whole_number(number, "norms_every", of="steps", or_else="None")
