"""The base class of callbacks that log predictions."""

import abc
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import wandb

from wk_core.arguments import check_whole_number
from wk_core.callback import RunCallback
from wk_core.compat.keras.flavour import keras
from wk_core.compat.wandb.run_hooks import has_finished
from wk_eval.data.predictor import Predictor
from wk_eval.session import EvalSession
from wk_eval.tables.image import table_image
from wk_eval.tables.spooled_table import SpooledTable


class WandbEvalCallback(RunCallback, keras.callbacks.Callback, abc.ABC):  # type: ignore[misc]  # Keras ships no types
    """Base class of callbacks that log a model's predictions to W&B, example by example.

    A subclass fills two tables. `add_ground_truth` fills the data table, once, when training
    begins. `add_model_predictions` fills the table of predictions, at the end of each epoch. For
    the usual tasks there are ready-made subclasses.

    The data table is logged as the artifact `val`, type `dataset`, table `val_data`. From then on
    `data_table_ref[row][column]`, or `data_table_ref.data[row][column]`, returns its cells. The
    predictions are versions of the artifact `run_<run id>_pred`, type `evaluation`, table
    `eval_data`. They refer to images that come from `data_table_ref` instead of storing them again.
    All of this is the same online and offline.

    `self.image(array)` makes an image for either table, from arrays of any usual range of values.
    In both methods `wandb.Image(array)` does the same, so that code written for
    `wandb.integration.keras` works as it is.

    A background thread encodes, stores and logs, in order. Rows are kept on the disk, so memory
    does not grow with them. If the thread falls behind, training waits. If it fails, the error is
    raised in the training. Everything is logged before the run finishes.

    In a training with several processes, one process evaluates (`wk_core.process`), and the others
    need no run. Call `self.predict_on_batch` there: `self.model.predict` waits for all processes.

    To log at other times, override `on_train_begin`, `on_epoch_end` or `on_train_batch_end`, and
    call there what the methods here call: `init_pred_table`, `add_model_predictions` and
    `log_pred_table`.

    Args:
        data_table_columns: Names of the data table's columns.
        pred_table_columns: Names of the columns of the table of predictions.
        run: The run to log to. Defaults to the active run.
        every: Log predictions every how many epochs. Epochs are counted over the whole training,
            also across several calls of `fit` and in a resumed training. Defaults to 1.
        aliases: Aliases of each version of the predictions, besides `latest`.

    Raises:
        wandb.Error: If no run is given or active, or if the run is finished.
        TypeError: If the subclass has neither `add_model_predictions` nor `add_model_prediction`.
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
                    self.data_table.add_data(idx, self.image(image), label)

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

    _session: EvalSession
    _key_prefix: str | None = None
    """The first part of the keys of rows that the callback logs; None for no rows."""

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
        self.data_table_columns = _checked_columns("data_table_columns", data_table_columns)
        self.pred_table_columns = _checked_columns("pred_table_columns", pred_table_columns)
        self._every = check_whole_number(every, "every", of="epochs")
        self._aliases = _checked_aliases(aliases)
        super().__init__()
        self._report_to(run)

    def _begin_session(self, run: wandb.Run) -> EvalSession:
        return EvalSession(run, type(self).__name__, self._key_prefix)

    @property
    def _is_in_fit(self) -> bool:
        return self._session.is_in_fit

    @property
    def data_table(self) -> SpooledTable:
        """The table of examples, which `add_ground_truth` fills."""
        return _known(self._session.data_table, "data_table")

    @data_table.setter
    def data_table(self, table: SpooledTable) -> None:
        self._session.data_table = table

    @property
    def pred_table(self) -> SpooledTable:
        """The table of predictions, which `add_model_predictions` fills."""
        return _known(self._session.pred_table, "pred_table")

    @pred_table.setter
    def pred_table(self, table: SpooledTable) -> None:
        self._session.pred_table = table

    @property
    def data_table_ref(self) -> SpooledTable:
        """The table of examples, once it is logged, to which predictions refer."""
        return _known(self._session.data_table_ref, "data_table_ref")

    @data_table_ref.setter
    def data_table_ref(self, table: SpooledTable) -> None:
        self._session.data_table_ref = table

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Logs the data table."""
        self._session.end_fit()
        if self._session.run.disabled:
            return
        self.init_data_table(column_names=self.data_table_columns)
        try:
            _call(self.add_ground_truth, logs=logs)
        finally:
            self._session.logger.stop_deferring()
        self.log_data_table()

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Finds the number of the epoch in the whole training."""
        self._session.epochs.begin(epoch)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Logs a table of predictions every `every` epochs; nothing once the run has finished."""
        is_due = (self._session.epochs.number(epoch) + 1) % self._every == 0
        if is_due and not (self._session.run.disabled or has_finished(self._session.run)):
            self.init_pred_table(column_names=self.pred_table_columns)
            try:
                _call(self.add_model_predictions, epoch, logs=logs)
            finally:
                self._session.logger.stop_deferring()
            self.log_pred_table()
        self._session.epochs.end(epoch)

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Waits until everything is logged."""
        self._session.end_fit()

    def get_training_state(self) -> dict[str, int]:
        """Returns what a resumed training needs: the number of the next epoch."""
        return self._session.epochs.state()

    def set_training_state(self, state: Mapping[str, Any]) -> None:
        """Continues the numbers of the epochs in the next `fit`, from a resumed training."""
        self._session.epochs.restore(state)

    @abc.abstractmethod
    def add_ground_truth(self, logs: Mapping[str, Any] | None = None) -> None:
        """Adds the examples to `data_table`, with `self.data_table.add_data(...)`.

        Args:
            logs: The logs of `on_train_begin`. A subclass may leave this argument out.
        """

    def add_model_predictions(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Adds the model's predictions to `pred_table`, with `self.pred_table.add_data(...)`.

        Args:
            epoch: The epoch that has ended, as Keras counts it, from 0.
            logs: The logs of `on_epoch_end`. A subclass may leave this argument out.
        """
        _call(self.add_model_prediction, epoch, logs=logs)

    def add_model_prediction(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Another name of `add_model_predictions`."""
        _call(self.add_model_predictions, epoch, logs=logs)

    def image(self, data: Any, **arguments: Any) -> wandb.Image:
        """Returns an image for a cell of `data_table` or `pred_table`.

        The image keeps a copy of its pixels. The background thread encodes it once, when its table
        is stored, with the range of values of all images of its column so far. Used elsewhere, as
        in `run.log`, it becomes an ordinary `wandb.Image` then.

        Args:
            data: The pixels as an array or a tensor, shape (height, width) or (height, width,
                channels) with 1, 3 or 4 channels, or channels first: booleans, integers from 0 to
                65535, or floats in [0, 1], [-1, 1] or [0, 255]; other floats are stretched. Or a
                Pillow image, an image that `data_table_ref` returned, or a path.
            **arguments: The other arguments of `wandb.Image`, as `caption`, `boxes` and `masks`.

        Raises:
            ValueError: If boxes, masks or classes are not as `wandb.Image` takes them; and from
                `add_data`, if the pixels are not as above.
        """
        return table_image(data, **arguments)

    def predict_on_batch(self, inputs: Any) -> Any:
        """Returns the model's outputs for a batch of inputs, and leaves the training unchanged.

        States and statistics of layers, and random numbers, are restored afterwards. A model with a
        fixed batch size gets batches of that size, padded if there are too few inputs. In a
        training with several processes only one process evaluates, and `self.model.predict` would
        wait for the others.

        Args:
            inputs: The model's inputs, as arrays.

        Returns:
            NumPy arrays in the structure of the model's outputs; bfloat16 becomes float32.

        Raises:
            ValueError: If this process has only a part of the model.
        """
        return self._predictor()(inputs)

    def _predictor(self) -> Predictor:
        return self._session.predictor(self.model)  # on JAX, reading it updates the variables

    def init_data_table(self, column_names: list[str]) -> None:
        """Sets `data_table` to an empty table, whose columns take values of any type."""
        self.data_table = self._session.logger.table(column_names, mixed=True)
        self._session.logger.defer_images()

    def init_pred_table(self, column_names: list[str]) -> None:
        """Sets `pred_table` to an empty table, whose columns take values of one type each."""
        source = self._session.data_table_ref
        self.pred_table = self._session.logger.table(column_names, source=source)
        self._session.logger.defer_images()

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
        self._session.logger.stop_deferring()
        self._session.logger.log_data(self.data_table, name, type, table_name)
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
        self._session.logger.stop_deferring()
        chosen = self._aliases if aliases is None else _checked_aliases(aliases)
        self._session.logger.log_predictions(
            self.pred_table, self._pred_artifact_name, type, table_name, chosen
        )

    @property
    def _pred_artifact_name(self) -> str:
        return f"run_{self._session.run.id}_pred"


def _known(table: SpooledTable | None, name: str) -> SpooledTable:
    """Returns a table, which AttributeError says is missing before there is one."""
    if table is None:
        raise AttributeError(f"{name!r} is there from the beginning of `fit` on")
    return table


def _is_overridden(callback: WandbEvalCallback, method: str) -> bool:
    return getattr(type(callback), method) is not getattr(WandbEvalCallback, method)


def _call(method: Callable[..., None], *arguments: Any, logs: Any) -> None:
    """Calls a method of a subclass; W&B documents it with and without `logs`."""
    try:
        inspect.signature(method).bind(*arguments, logs)
    except TypeError:
        method(*arguments)
    else:
        method(*arguments, logs)


def _checked_columns(argument: str, columns: Any) -> list[str]:
    """Returns names of columns; raises ValueError if they are not text, or not all different."""
    names: list[Any] = list(columns) if isinstance(columns, (list, tuple)) else [None]
    if not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise ValueError(
            f"`{argument}` must be a list of different names. Received: {argument}={columns!r}"
        )
    return names


def _checked_aliases(aliases: Any) -> tuple[str, ...]:
    """Returns aliases; raises ValueError if they are not names."""
    names = tuple(aliases) if isinstance(aliases, (list, tuple, set, frozenset)) else (None,)
    if not all(isinstance(name, str) and name for name in names):
        raise ValueError(f"`aliases` must be a list of names. Received: aliases={aliases!r}")
    return names
