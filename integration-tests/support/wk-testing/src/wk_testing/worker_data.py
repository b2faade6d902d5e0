"""Data that worker processes load, and report on."""

from typing import Any

import numpy as np

from wk_core.compat.keras.flavour import PyDataset
from wk_core.worker.worker_run import WorkerRun
from wk_testing.workers import report


class ReportingData(PyDataset):  # type: ignore[misc]  # Keras ships no types
    """A data set whose items are loaded, and reported, by worker processes.

    Args:
        worker_run: The run.
        items: How many batches there are.
    """

    def __init__(self, worker_run: WorkerRun, items: int) -> None:
        super().__init__(workers=2, use_multiprocessing=True)
        self._worker_run = worker_run
        self._items = items

    def __len__(self) -> int:
        """Returns the number of batches."""
        return self._items

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        """Returns a batch of the size that the config says."""
        size = report(self._worker_run, index)["batch_size"]
        return np.zeros((size, 2), "float32"), np.zeros((size, 1), "float32")
