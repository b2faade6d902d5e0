"""Takes the norms of a training's steps to the detectors."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import wandb

from wk_core.compat.keras.optimizers import find_optimizers
from wk_metrics.divergence.detector import DivergenceDetector, WeightInfo
from wk_metrics.divergence.finding import Finding
from wk_metrics.divergence.norms import StepNorms
from wk_metrics.gradients.training_steps.batch_count import BatchCount
from wk_metrics.gradients.training_steps.records import Detail, Record, Updates, Watched
from wk_metrics.gradients.training_steps.train_function import WatchedTrainFunction
from wk_metrics.weights.weight_names import layer_names, weight_names

_NORMS: Final = Detail(weight_norms=True)
# How many executions are read from the device together.
_BLOCK: Final = 10
# Dynamic loss scaling begins with this scale, and halves it at each update that it skips.
_INITIAL_SCALE: Final = 2.0**15
_MORE_SKIPS: Final = 10


class NormWatcher:
    """Watches the norms of one `fit`: a `Watcher` of its train function.

    Args:
        run: The run, which knows the numbers of the batches.
        model: The model.
        params: What Keras tells callbacks of this `fit`.
        every: The number of steps from one that is looked at to the next; None for as few as cost
            little.
        say: Says why the steps cannot be looked at.

    Attributes:
        next_batch: The number of the batch after the last one that was taken.
    """

    details: Sequence[Detail] = (_NORMS,)

    def __init__(
        self,
        run: wandb.Run,
        model: Any,
        params: Mapping[str, Any] | None,
        *,
        every: int | None,
        say: Callable[[str], None],
    ) -> None:
        self.next_batch = 0
        self._model = model
        self._say = say
        self._batches = BatchCount(run, model, params)
        self._waiting: list[tuple[Record, int, int]] = []
        self._detectors: dict[str, _Known] = {}
        self._function = WatchedTrainFunction.of(model, every)
        self._function.add(self)

    def begin_batch(self, first: int, *, epoch: int, number: int) -> None:
        """Announces the execution that starts with batch `first` of an epoch.

        Args:
            first: The number of the batch within the epoch.
            epoch: The number of the epoch in this `fit`, as Keras counts.
            number: The number of the epoch in the whole training.
        """
        self._batches.begin(first, initial_epoch=epoch, number=number)
        self._function.arm(first)

    def end_epoch(self) -> None:
        """Records that the epoch has ended."""
        self._batches.end_epoch()

    def wanted(self, first: int) -> Detail | None:  # noqa: ARG002
        """Returns what to take in an execution: the norms of gradients and weights."""
        return _NORMS

    def take(self, record: Record) -> None:
        """Takes what is known of an execution, without reading it."""
        first, last = self._batches.span(record.first)
        self._waiting.append((record, first, last))
        self.next_batch = last + 1

    def report_unavailable(self, reason: Exception) -> None:
        """Says that the steps cannot be looked at."""
        self._say(str(reason) or type(reason).__name__)

    def check(self, *, wait: bool = False) -> Finding | None:
        """Judges the executions that are waiting; returns what is wrong, if it is.

        Args:
            wait: Whether all are judged, which waits for the device. Else they are judged in
                blocks, but for the last one, which the device may not have finished.
        """
        if not wait and len(self._waiting) <= _BLOCK:
            return None
        kept = 0 if wait else 1
        ready = self._waiting[: len(self._waiting) - kept]
        del self._waiting[: len(ready)]
        for record, first, last in ready:
            for updates in record.updates:
                detector = self._detector_of(updates.watched)
                for norms in _steps_of(updates, first, last):
                    finding = detector.look(norms)
                    if finding is not None:
                        return finding
        return None

    def restart(self) -> None:
        """Forgets the last steps, after the model was put back."""
        self._waiting.clear()
        for known in self._detectors.values():
            known.detector.restart()

    def close(self) -> None:
        """Stops watching."""
        self._waiting.clear()
        self._function.remove(self)

    def _detector_of(self, watched: Watched) -> DivergenceDetector:
        known = self._detectors.get(watched.place)
        if known is None or known.weights != list(map(id, watched.weights)):
            self._detectors[watched.place] = known = self._new_detector(watched)
        return known.detector

    def _new_detector(self, watched: Watched) -> "_Known":
        names, layers = weight_names(self._model), layer_names(self._model)
        weights = []
        for weight in watched.weights:
            name = names.get(id(weight), weight.name)
            layer = layers.get(id(weight), name.partition("/")[0])
            weights.append(WeightInfo(name, layer, int(np.prod(weight.shape))))
        optimizer = find_optimizers(self._model).get(watched.place)
        # Halving the scale so often makes it 1, at which gradients are what they are.
        halvings = np.log2(getattr(optimizer, "initial_scale", _INITIAL_SCALE))
        detector = DivergenceDetector(
            weights,
            optimizer="" if watched.place == "optimizer" else watched.place,
            skips_allowed=int(halvings) + _MORE_SKIPS,
        )
        return _Known(detector, list(map(id, watched.weights)))


class _Known(NamedTuple):
    """A detector, and the identities of its weights, which are others in a model compiled anew."""

    detector: DivergenceDetector
    weights: list[int]


def _steps_of(updates: Updates, first: int, last: int) -> Iterator[StepNorms]:
    """Yields the norms of each update of an execution, which has the batches `first` to `last`."""
    gradients, weights = updates.norms, updates.weight_norms
    count = len(gradients)
    absent = gradients < 0  # a weight without a gradient counts as one whose gradient is 0
    for index in range(count):
        given = np.where(absent[index], 0.0, gradients[index])
        yield StepNorms(
            step=first + index * (last - first + 1) // count,
            gradients=given,
            weights=np.where(absent[index], 0.0, weights[index]),
            skipped=updates.watched.skips and not np.isfinite(given).all(),
        )
