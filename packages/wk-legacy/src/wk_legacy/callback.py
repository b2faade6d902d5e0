"""The all-in-one callback."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any, Literal

import wandb

from wk_core.callback import RunCallback
from wk_core.compat.keras.flavour import keras
from wk_core.compat.keras.hooks import restore_default_hook
from wk_core.distribution import check_alone
from wk_legacy.arguments import Arguments
from wk_legacy.migration import refuse_unknown, with_today_names
from wk_legacy.training_log import TrainingLog


class WandbCallback(RunCallback, keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Logs metrics and the best model, and on request gradients, weights and predictions.

    It is the callback that W&B removed in wandb 0.27.1, for code that uses it.

    - **Metrics.** Each epoch is one row: Keras' logs, under Keras' own names, and `epoch`, from 0.
      With `log_batch_frequency=N` the batches 0, N, 2N … of each epoch have rows, too.
    - **The best epoch.** When `monitor` is better than in all epochs before, the run's summary gets
      its value, as `best_val_loss`, and `best_epoch`. The model is saved as the file `model-best`
      of the run, and logged as a version of the artifact `model-<run name>`, with the aliases
      `latest`, `best` and `epoch_<n>`. A resumed run continues from its best value.
    - **The model.** The summary has the graph of its layers, as `graph`.
    - **On request**, an epoch's row also has histograms of the weights, as
      `parameters/<layer>.weights` and `.bias`, and of the gradients, as
      `gradients/<weight>.gradient`; images of examples, as `examples`; and a table of predictions,
      as `validation_predictions`.

    A background thread does the slow work while training continues. Its errors are raised by the
    next hook, or at the end of `fit`.

    Args:
        monitor: The metric that decides which epoch is the best. Defaults to `"val_loss"`.
        verbose: 1 or more prints what is saved; 0 is silent. Defaults to 0.
        mode: Whether `"min"` or `"max"` of `monitor` is better; `"auto"` asks the metric, then
            goes by its name. Defaults to `"auto"`.
        save_weights_only: Whether to save weights and optimizer state without the architecture.
            Defaults to False.
        log_weights: Whether to log histograms of the weights. Defaults to False.
        log_gradients: Whether to log histograms of the gradients of the loss over all of
            `training_data`. Defaults to False.
        save_model: Whether to save the model of the best epoch. Defaults to True.
        training_data: `(x, y)` for `log_gradients`. Defaults to None.
        validation_data: `(x, y)` to show predictions for. Defaults to None: the validation data of
            `fit`, if `input_type`, `output_type` or `log_evaluation` asks for predictions.
        labels: The names of the classes, in a list or by number; for an output of one unit, the
            names of false and true. Defaults to None.
        predictions: How many examples to show each epoch, at most 100. Defaults to 36.
        generator: Batches of `(x, y)` instead of `validation_data`: a generator, a
            `tf.data.Dataset`, a Keras `PyDataset` or any iterable. Defaults to None.
        input_type: `"image"`, `"images"`, `"segmentation_mask"` or `"label"`. Defaults to None:
            inferred for a model with one input.
        output_type: The same for the output. Defaults to None.
        log_evaluation: Whether to log a table of the validation data, and tables of predictions.
            Defaults to False.
        validation_steps: The number of batches in all of `generator`. Defaults to None: its
            length, if it has one.
        class_colors: For masks, a triple of red, green and blue from 0 to 1 for each class.
            Defaults to None: black for class 0, evenly spaced hues for the others.
        log_batch_frequency: The number of batches between two rows of batches. Defaults to None: no
            such rows. So does 0.
        log_best_prefix: The prefix of the summary's entries for the best epoch. Defaults to
            `"best_"`; None for no entries.
        save_graph: Whether to log the graph of the model's layers. Defaults to True.
        validation_indexes: Links to the rows of an existing table of the validation data, as
            `wandb.Table.get_index()` returns them. Then the data are not logged.
        validation_row_processor: Computes columns of the table of validation data: a function that
            gets a row's index and its cells, `{"input": ..., "target": ...}`, and returns more
            cells by column. Defaults to None.
        prediction_row_processor: The same for the table of predictions, whose rows are
            `{"output": ..., "val_row": ...}`. Defaults to None.
        infer_missing_processors: Whether to infer columns without a processor. Defaults to True.
        log_evaluation_frequency: The number of epochs between two tables of predictions. Defaults
            to 0: one table at the end of training.
        compute_flops: Whether to count the floating-point operations of one example, in billions,
            and add them to the summary as `GFLOPs`. Defaults to False.
        output_row_processor: Another name of `prediction_row_processor`. An older name of
            `input_type`, `data_type`, is accepted, too.
        image_range: The values that are black and white in images, as `(0.0, 1.0)`. Defaults to
            None: the data decide, and the callback prints the values.
        run: The run to log to. Defaults to the active run.

    Raises:
        wandb.Error: If there is no run, or if it is finished.
        ValueError: If an argument is not as above, or if two arguments exclude each other.
        TypeError: If an argument is unknown or has the wrong type.

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

    # Keras may call the batch hook from its pool of threads, so that training does not wait.
    async_safe = True

    _session: TrainingLog | None

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
        unknown = with_today_names(unknown)
        names = [each.name for each in fields(Arguments)]
        refuse_unknown([name for name in unknown if name not in names], [*names, "run"])
        given |= unknown
        self._arguments = Arguments(**{name: given[name] for name in names})
        if self._arguments.batch_frequency is None:
            restore_default_hook(self, WandbCallback, "on_train_batch_end")
        self._report_to(run)

    def _begin_session(self, run: wandb.Run) -> TrainingLog | None:
        return None if run.disabled else TrainingLog(self._arguments, run, owner=self)

    @property
    def _is_in_fit(self) -> bool:
        return self._session is not None and self._session.is_open

    def set_params(self, params: Mapping[str, Any]) -> None:
        """Sets the parameters of the `fit` that begins."""
        super().set_params(params)
        if self._session is not None:
            self._session.set_params(params)

    def set_model(self, model: Any) -> None:
        """Sets the model."""
        super().set_model(model)
        if self._session is not None:
            self._session.set_model(model)

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Checks that data, model and arguments fit, and begins to log a `fit`.

        Raises:
            ValueError: If they do not fit.
            TypeError: If the data are of a kind that is not supported.
        """
        check_alone(self, self.model)
        if self._session is not None:
            self._session.begin()

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Begins an epoch."""
        if self._session is not None:
            self._session.begin_epoch(epoch)

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Logs the batch if it is due; Keras may call it from several threads."""
        if self._session is not None:
            self._session.end_batch(batch, logs or {})

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Logs the epoch, and saves the model if the epoch is the best."""
        if self._session is not None:
            self._session.end_epoch(epoch, logs or {})

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Waits until everything is logged and saved."""
        if self._session is not None:
            self._session.end()

    def get_training_state(self) -> dict[str, Any]:
        """Returns the state that `restore` passes to a resumed training: the best value."""
        return {} if self._session is None else self._session.state()

    def set_training_state(self, state: Mapping[str, Any]) -> None:
        """Continues from the state of a restored training."""
        if self._session is not None:
            self._session.restore(state)
