"""All that a callback has of one run: the numbers of its epochs, its tables and their logger."""

import wandb

from wk_core.axes import define_axis
from wk_core.epochs import EpochNumbers
from wk_eval.data.predictor import Predictor
from wk_eval.tables.spooled_table import SpooledTable
from wk_eval.tables.table_logger import TableLogger
from wk_eval.tasks.prediction_history import PredictionHistory


class EvalSession:
    """A callback's work for one run.

    Args:
        run: The run.
        name: The callback's class, for errors.
        key_prefix: The first part of the keys of its rows; None for no rows.

    Attributes:
        run: The run.
        epochs: The numbers of the epochs in the whole training.
        data_table: The table of examples; None before there is one.
        pred_table: The table of predictions; None before there is one.
        data_table_ref: The table of examples, once it is logged.
        history: The history of the predictions of one `fit`.
    """

    def __init__(self, run: wandb.Run, name: str, key_prefix: str | None) -> None:
        self.run = run
        self.epochs = EpochNumbers(run, None if key_prefix is None else f"{key_prefix}/epoch")
        if key_prefix is not None and not run.disabled:
            define_axis(run, key_prefix, "epoch")
        self.data_table: SpooledTable | None = None
        self.pred_table: SpooledTable | None = None
        self.data_table_ref: SpooledTable | None = None
        self.history = PredictionHistory()
        self._name = name
        self._logger: TableLogger | None = None
        self._predictor: Predictor | None = None

    @property
    def is_in_fit(self) -> bool:
        """Whether something is open that belongs to one `fit`."""
        return self._logger is not None

    @property
    def logger(self) -> TableLogger:
        """What logs the tables of this `fit`."""
        if self._logger is None:
            self._logger = TableLogger(self.run, self._name)
        return self._logger

    def predictor(self, model: object) -> Predictor:
        """Returns what predicts with the model of this `fit`."""
        if self._predictor is None:
            self._predictor = Predictor(model)
        return self._predictor

    def end_fit(self) -> None:
        """Waits until everything of one `fit` is logged, and ends its threads."""
        self.epochs.begin_fit()
        while self._logger is not None:  # the last task may have begun another logger
            logger, self._logger = self._logger, None
            logger.close()
        self._predictor = None
