"""The base class of callbacks that look at predictions."""

import abc
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import wandb

from wk_core.copying import WithoutItsRun
from wk_core.keras import keras
from wk_core.run import has_finished
from wk_eval.arguments import checked_aliases, checked_columns, checked_every
from wk_eval.data.predictor import Predictor
from wk_eval.tables.spooled_table import SpooledTable
from wk_eval.tables.table_logger import TableLogger


class WandbEvalCallback(WithoutItsRun, keras.callbacks.Callback, abc.ABC):  # type: ignore[misc]  # Keras ships no types
    """Base class of callbacks that log a model's predictions to W&B, example by example.

    A subclass fills two tables: `add_ground_truth` the data table, once, when training begins, and
    `add_model_predictions` the table of predictions, at the end of each epoch. What either of them
    is about is the subclass' own affair; for the usual tasks there are ready-made ones.

    The data table is logged as the artifact `val`, type `dataset`, table `val_data`. From then on
    `data_table_ref` gives access to its cells: `data_table_ref.data[row][column]` or
    `data_table_ref[row][column]`. Images taken from it are referred to in the tables of
    predictions, which are versions of the artifact `run_<run id>_pred`, type `evaluation`, table
    `eval_data`. All of it is the same online and offline.

    Encoding, storing and logging are done by a background thread, in order; the rows lie on the
    disk, and memory does not grow with them. Where the thread falls behind, training waits. An
    error comes back to the training, and everything is logged before the run finishes.

    `wandb.Image(array)` takes arrays of any usual range of values while one of the two tables is
    open: bytes, booleans, and floats in [0, 1], [-1, 1] or [0, 255], with or without channels. An
    image that was made before is as wandb made it.

    Where a training has several processes, one of them evaluates (`wk_core.process`), and the
    others need no run. There `add_model_predictions` calls `self.predict_on_batch`, not
    `self.model.predict`, which all of them would have to call.

    For other times than these, override `on_train_begin`, `on_epoch_end` or `on_train_batch_end`
    and call there what their own versions call: `init_pred_table`, `add_model_predictions`,
    `log_pred_table`.

    Args:
        data_table_columns: Names of the data table's columns.
        pred_table_columns: Names of the columns of the table of predictions.
        run: The run to log to. Defaults to the active one.
        every: After every how many epochs predictions are logged. Defaults to 1.
        aliases: Aliases of each version of the predictions, besides `latest`.

    Raises:
        wandb.Error: If no run is given or active, or if it is finished.
        TypeError: If the subclass has no `add_model_predictions` (`add_model_prediction` will do).
        ValueError: If columns, `every` or `aliases` are not as above.

    Example:
        ```python
        import keras
        import numpy as np
        import wandb
        from wk_eval import WandbEvalCallback


        class Digits(WandbEvalCallback):
            def __init__(self, x, y):
                super().__init__(["idx", "image", "label"], ["epoch", "image", "label", "pred"])
                self.x, self.y = x, y

            def add_ground_truth(self, logs=None):
                for idx, (image, label) in enumerate(zip(self.x, self.y)):
                    self.data_table.add_data(idx, wandb.Image(image), label)

            def add_model_predictions(self, epoch, logs=None):
                predictions = self.model.predict(self.x, verbose=0).argmax(axis=-1)
                for row in self.data_table_ref.get_index():
                    _, image, label = self.data_table_ref[row]
                    self.pred_table.add_data(epoch, image, label, predictions[row])


        x, y = np.random.rand(8, 28, 28, 1), np.arange(8)
        model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(10)])
        model.compile(loss="sparse_categorical_crossentropy")

        with wandb.init(mode="offline"):
            model.fit(x, y, epochs=2, verbose=0, callbacks=[Digits(x, y)])
        ```
    """

    _not_copied: ClassVar[frozenset[str]] = frozenset(
        {"_run", "_tables", "_predictor", "data_table", "pred_table", "data_table_ref"}
    )

    def __init__(
        self,
        data_table_columns: list[str],
        pred_table_columns: list[str],
        *,
        run: wandb.Run | None = None,
        every: int = 1,
        aliases: Sequence[str] = (),
    ) -> None:
        name = type(self).__name__
        if not (
            _is_overridden(self, "add_model_predictions")
            or _is_overridden(self, "add_model_prediction")
        ):
            raise TypeError(
                f"{name} has to define `add_model_predictions(self, epoch, logs=None)`."
            )
        self.data_table_columns = checked_columns("data_table_columns", data_table_columns)
        self.pred_table_columns = checked_columns("pred_table_columns", pred_table_columns)
        self._every = checked_every(every)
        self._aliases = checked_aliases(aliases)
        super().__init__()
        self._report_to(run)

    def _bind(self, run: wandb.Run) -> None:
        self._run = run
        self._tables: TableLogger | None = None
        self._predictor: Predictor | None = None
        self.data_table: SpooledTable
        self.pred_table: SpooledTable
        self.data_table_ref: SpooledTable

    @property
    def _is_in_fit(self) -> bool:
        return self._tables is not None

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Logs the data table."""
        self._end()
        if self._run.disabled:
            return
        self.init_data_table(column_names=self.data_table_columns)
        try:
            _call(self.add_ground_truth, logs=logs)
        finally:
            self._log.deferral.stop()
        self.log_data_table()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Logs a table of predictions, if it is its turn; nothing after the run has finished."""
        if self._run.disabled or has_finished(self._run) or (epoch + 1) % self._every:
            return
        self.init_pred_table(column_names=self.pred_table_columns)
        try:
            _call(self.add_model_predictions, epoch, logs=logs)
        finally:
            self._log.deferral.stop()
        self.log_pred_table()

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Waits until everything is logged."""
        self._end()

    @abc.abstractmethod
    def add_ground_truth(self, logs: Mapping[str, Any] | None = None) -> None:
        """Adds the examples to `data_table`, with `self.data_table.add_data(...)`.

        Args:
            logs: What Keras handed to `on_train_begin`. A subclass may leave this argument out.
        """

    def add_model_predictions(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Adds the model's predictions to `pred_table`, with `self.pred_table.add_data(...)`.

        Args:
            epoch: The epoch that has ended, from 0.
            logs: What Keras handed to `on_epoch_end`. A subclass may leave this argument out.
        """
        _call(self.add_model_prediction, epoch, logs=logs)

    def add_model_prediction(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """The same as `add_model_predictions`, whose other name it is."""
        _call(self.add_model_predictions, epoch, logs=logs)

    def predict_on_batch(self, inputs: Any) -> Any:
        """Returns what the model puts out for a batch of inputs, and leaves no trace in training.

        What predicting may change is put back: states and statistics of layers, random numbers. A
        model that takes batches of one size gets batches of that size, filled up where there are
        too few inputs. Where a training has several processes, only one of them evaluates, and
        `self.model.predict` would wait for the others.

        Args:
            inputs: What the model takes, as arrays.

        Returns:
            NumPy arrays in the structure of the model's outputs; bfloat16 becomes float32.

        Raises:
            ValueError: If this process has only parts of the model.
        """
        return self._predicting()(inputs)

    def _predicting(self) -> Predictor:
        model = self.model  # asking for it puts the training state into its variables
        if self._predictor is None:
            self._predictor = Predictor(model)
        return self._predictor

    def init_data_table(self, column_names: list[str]) -> None:
        """Makes `data_table` an empty table, whose columns take values of any type."""
        self.data_table = self._log.table(column_names, mixed=True)
        self._log.deferral.start()

    def init_pred_table(self, column_names: list[str]) -> None:
        """Makes `pred_table` an empty table, whose columns take values of one type each."""
        source = getattr(self, "data_table_ref", None)
        self.pred_table = self._log.table(column_names, source=source)
        self._log.deferral.start()

    def log_data_table(
        self,
        name: str = "val",
        type: str = "dataset",  # noqa: A002  W&B's own word for it
        table_name: str = "val_data",
    ) -> None:
        """Logs `data_table` as an artifact, which the run uses; sets `data_table_ref`.

        Args:
            name: The artifact's name.
            type: The artifact's type.
            table_name: The table's name within the artifact.
        """
        self._log.deferral.stop()
        self._log.log_data(self.data_table, name, type, table_name)
        self.data_table_ref = self.data_table

    def log_pred_table(
        self,
        type: str = "evaluation",  # noqa: A002  W&B's own word for it
        table_name: str = "eval_data",
        aliases: Sequence[str] | None = None,
    ) -> None:
        """Logs `pred_table` as the next version of the artifact `run_<run id>_pred`.

        Args:
            type: The artifact's type.
            table_name: The table's name within the artifact.
            aliases: The version's aliases. Defaults to those of the constructor.
        """
        self._log.deferral.stop()
        chosen = self._aliases if aliases is None else checked_aliases(aliases)
        self._log.log_predictions(
            self.pred_table, self._pred_artifact_name, type, table_name, chosen
        )

    @property
    def _pred_artifact_name(self) -> str:
        return f"run_{self._run.id}_pred"

    @property
    def _log(self) -> TableLogger:
        """Where the tables of this `fit` go."""
        if self._tables is None:
            self._tables = TableLogger(self._run, type(self).__name__)
        return self._tables

    def _end(self) -> None:
        """Lets go of what belongs to one `fit`, when all of it is logged."""
        while self._tables is not None:  # what is done last may have begun another one
            tables, self._tables = self._tables, None
            tables.close()
        self._predictor = None


def _is_overridden(callback: WandbEvalCallback, method: str) -> bool:
    return getattr(type(callback), method) is not getattr(WandbEvalCallback, method)


def _call(method: Callable[..., None], *arguments: Any, logs: Any) -> None:
    """Calls a method of a subclass, which W&B documents with and without `logs`."""
    try:
        inspect.signature(method).bind(*arguments, logs)
    except TypeError:
        method(*arguments)
    else:
        method(*arguments, logs)
