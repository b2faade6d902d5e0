"""The callback that does everything."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any, ClassVar, Literal

import wandb

from wk_core.alone import check_alone
from wk_core.callbacks import leave_to_keras
from wk_core.copying import WithoutItsRun
from wk_core.keras import keras
from wk_legacy.arguments import Arguments, refuse_unknown, renamed
from wk_legacy.training_log import TrainingLog


class WandbCallback(WithoutItsRun, keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Logs metrics, the best model, and on request gradients, weights and predictions.

    It is the callback of that name which W&B removed in wandb 0.27.1, for code that uses it.

    - **Metrics.** One row an epoch has what Keras reports, under Keras' own names, and `epoch`,
      from 0. With `log_batch_frequency=N` the batches 0, N, 2N … of each epoch have rows, too.
    - **The best epoch.** When `monitor` is better than ever before, the run's summary gets its
      value, as `best_val_loss`, and `best_epoch`; the model is saved as the file `model-best` of
      the run, and logged as a version of the artifact `model-<run name>`, with the aliases
      `latest`, `best` and `epoch_<n>`. A resumed run goes on from its best value.
    - **The model.** The summary has its graph as `graph`, drawn once.
    - **On request**, an epoch's row also has histograms of the weights, as
      `parameters/<layer>.weights` and `.bias`, and of the gradients, as
      `gradients/<weight>.gradient`; pictures of examples, as `examples`; and a table of
      predictions, as `validation_predictions`.

    What takes time is done by a background thread while training goes on. Its errors come back to
    the training.

    Args:
        monitor: The metric that says which epoch is the best. Defaults to `"val_loss"`.
        verbose: 1 or more says what is saved; 0 is silent. Defaults to 0.
        mode: Whether `"min"` or `"max"` of `monitor` is better; `"auto"` goes by the metric's own
            word, then by its name. Defaults to `"auto"`.
        save_weights_only: Whether to save weights and optimizer state without the architecture.
            Defaults to False.
        log_weights: Whether to log histograms of the weights. Defaults to False.
        log_gradients: Whether to log histograms of the gradients of the loss over all of
            `training_data`. Defaults to False.
        save_model: Whether to save the model of the best epoch. Defaults to True.
        training_data: `(x, y)` for `log_gradients`. Defaults to None.
        validation_data: `(x, y)` to show predictions for. Defaults to None: what `fit` validates
            with, where predictions are asked for by `input_type`, `output_type` or
            `log_evaluation`.
        labels: The names of classes, in a list or by number; for one unit, the names of false and
            true. Defaults to None.
        predictions: How many examples are shown each epoch, at most 100. Defaults to 36.
        generator: Batches of `(x, y)` instead of `validation_data`: a generator, a
            `tf.data.Dataset`, a Keras `PyDataset` or any iterable. Defaults to None.
        input_type: `"image"`, `"images"`, `"segmentation_mask"` or `"label"`. Defaults to None: it
            is guessed for a model with one input.
        output_type: The same of the output. Defaults to None.
        log_evaluation: Whether to log a table of the validation data, and of predictions for it.
            Defaults to False.
        validation_steps: How many batches of `generator` are the whole of it. Defaults to None:
            its length, if it has one.
        class_colors: For masks, a triple of red, green and blue from 0 to 1 for each class.
            Defaults to None: black for class 0, evenly spaced hues for the others.
        log_batch_frequency: Every how many batches what Keras reports is logged, too. Defaults to
            None: not at all, and so does 0.
        log_best_prefix: What comes before the names of the summary's entries of the best epoch.
            Defaults to `"best_"`; None for no entries.
        save_graph: Whether to log the model's graph. Defaults to True.
        validation_indexes: Links to the rows of a table that there is already, as
            `wandb.Table.get_index()` returns them, instead of logging the validation data.
        validation_row_processor: Makes columns of the table of validation data: a function of a
            row's number and its cells, `{"input": ..., "target": ...}`, that returns more cells by
            column. Defaults to None.
        prediction_row_processor: The same for the table of predictions, whose row is
            `{"output": ...}`. Defaults to None.
        infer_missing_processors: Whether columns are guessed where there is no processor. Defaults
            to True.
        log_evaluation_frequency: A table of predictions every how many epochs. Defaults to 0: at
            the end of training only.
        compute_flops: Whether to count the floating-point operations of one example, in billions,
            for the summary, as `GFLOPs`. Defaults to False.
        output_row_processor: Another name of `prediction_row_processor`. So is `data_type`, of
            older releases, of `input_type`.
        image_range: The values that are black and white in images, as `(0.0, 1.0)`. Defaults to
            None: found out from the data, once, and said.
        run: The run to log to. Defaults to the active one.

    Raises:
        wandb.Error: If no run is given or active, or if it is finished.
        ValueError: If an argument is not as above, or arguments do not go together.
        TypeError: If an argument is not known, or of a wrong kind.

    Example:
        ```python
        import keras
        import numpy as np
        import wandb
        from wk_legacy import WandbCallback

        x, y = np.random.rand(64, 4), np.random.rand(64, 1)
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
        model.compile(optimizer="adam", loss="mse")

        with wandb.init(mode="offline"):
            callbacks = [WandbCallback(log_weights=True)]
            model.fit(x, y, validation_split=0.25, epochs=2, verbose=0, callbacks=callbacks)
        ```
    """

    # Keras may call the batch hook from its pool of threads instead of holding up training.
    async_safe = True

    _not_copied: ClassVar[frozenset[str]] = frozenset({"_log"})

    def __init__(
        self,
        monitor: str = "val_loss",
        verbose: int = 0,
        mode: Literal["auto", "min", "max"] = "auto",
        save_weights_only: bool = False,
        log_weights: bool = False,
        log_gradients: bool = False,
        save_model: bool = True,
        training_data: Any = None,
        validation_data: Any = None,
        labels: Any = None,
        predictions: int = 36,
        generator: Any = None,
        input_type: str | None = None,
        output_type: str | None = None,
        log_evaluation: bool = False,
        validation_steps: int | None = None,
        class_colors: Any = None,
        log_batch_frequency: int | None = None,
        log_best_prefix: str | None = "best_",
        save_graph: bool = True,
        validation_indexes: Sequence[Any] | None = None,
        validation_row_processor: Callable[..., Any] | None = None,
        prediction_row_processor: Callable[..., Any] | None = None,
        infer_missing_processors: bool = True,
        log_evaluation_frequency: int = 0,
        compute_flops: bool = False,
        *,
        output_row_processor: Callable[..., Any] | None = None,
        image_range: tuple[float, float] | None = None,
        run: wandb.Run | None = None,
        **unknown: Any,
    ) -> None:
        given = dict(locals())
        super().__init__()
        names = [each.name for each in fields(Arguments)]
        given |= (unknown := renamed(unknown))
        refuse_unknown(
            {name: unknown[name] for name in unknown if name not in names}, [*names, "run"]
        )
        self._arguments = Arguments(**{name: given[name] for name in names})
        if self._arguments.batch_frequency is None:
            leave_to_keras(self, WandbCallback, "on_train_batch_end")
        self._report_to(run)

    def _bind(self, run: wandb.Run) -> None:
        self._log = None if run.disabled else TrainingLog(self._arguments, run, owner=self)

    @property
    def _is_in_fit(self) -> bool:
        return self._log is not None and self._log.is_open

    def set_params(self, params: Mapping[str, Any]) -> None:
        """Takes the parameters of the `fit` that begins."""
        super().set_params(params)
        if self._log is not None:
            self._log.set_params(params)

    def set_model(self, model: Any) -> None:
        """Takes the model."""
        super().set_model(model)
        if self._log is not None:
            self._log.set_model(model)

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Looks whether data, model and arguments fit, and starts afresh.

        Raises:
            ValueError: If they do not.
            TypeError: If the data are of no kind that can be looked at.
        """
        check_alone(self, self.model)
        if self._log is not None:
            self._log.begin()

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Notes the epoch."""
        if self._log is not None:
            self._log.begin_epoch(epoch)

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Has the batch logged if it is due; Keras may call it from several threads."""
        if self._log is not None:
            self._log.end_batch(batch, logs or {})

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Has the epoch logged, and the model saved if it is the best."""
        if self._log is not None:
            self._log.end_epoch(epoch, logs or {})

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Waits until everything is logged and saved."""
        if self._log is not None:
            self._log.end()

    def get_training_state(self) -> dict[str, Any]:
        """Returns what it has to remember of a training that is resumed: the best value."""
        return {} if self._log is None else self._log.state()

    def set_training_state(self, state: Mapping[str, Any]) -> None:
        """Goes on where a restored training stood."""
        if self._log is not None:
            self._log.restore(state)
