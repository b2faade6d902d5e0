"""The speed of an epoch, and how long it waited for data."""

import threading
import time
from collections.abc import Callable

from wk_core.compat.keras.flavour import backend


class Throughput:
    """Times the batches of an epoch, from the hooks around them.

    Only training counts. Validation, and callbacks at the end of the epoch, lie outside the first
    and the last batch. The first execution of a `fit` compiles, and does not count if the epoch has
    another execution.

    PyTorch's trainer reads data between the end of a batch and the beginning of the next, so that
    time is the wait for data. The trainers of TensorFlow and JAX read data inside the step, where
    the wait cannot be measured; between their batches run other callbacks, which do not count.

    Args:
        clock: Returns the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._data_is_outside = backend() == "torch"
        self._compiling = True
        self._lock = threading.Lock()
        self._trainer = threading.get_ident()
        self.start_epoch()

    def start_epoch(self) -> None:
        """Resets all times."""
        self._begun = 0
        self._ended = 0
        self._first_begin = 0.0
        self._last_end = 0.0
        self._waited = 0.0
        self._left_out = 0
        self._pooled = False

    def begin_execution(self, first: int) -> None:
        """Records that Keras begins an execution with batch `first` of the epoch."""
        now = self._clock()
        if self._begun == 0:
            self._first_begin = now
        elif self._ended >= self._begun:
            self._waited += now - self._last_end
        if self._compiling and self._begun == 1:
            self._first_begin, self._waited, self._left_out = now, 0.0, first
        self._begun += 1

    def end_execution(self) -> None:
        """Records that an execution has ended; may be called from another thread."""
        with self._lock:
            self._last_end = self._clock()
            self._ended += 1
            # Keras' pool does not delay the trainer, so no callback's time lies in between.
            self._pooled = threading.get_ident() != self._trainer

    def metrics(self, batches: int, samples: int) -> dict[str, float]:
        """Returns the entries of an epoch's row.

        Args:
            batches: The number of batches of the epoch.
            samples: The number of samples of the epoch; 0 if it is not known.

        Returns:
            `steps_per_second` and `mean_step_time` (seconds); `samples_per_second` if the number of
            samples is known; `data_wait_share` (0 to 1) if the backend shows it.
        """
        counted = batches - self._left_out
        total = self._last_end - self._first_begin
        all_counts = self._data_is_outside or self._pooled
        seconds = total if all_counts else total - self._waited
        self._compiling = False
        if counted <= 0 or seconds <= 0:
            return {}
        result = {"steps_per_second": counted / seconds, "mean_step_time": seconds / counted}
        if samples > 0:
            result["samples_per_second"] = counted / seconds * samples / batches
        if self._data_is_outside:
            result["data_wait_share"] = self._waited / seconds
        return result
