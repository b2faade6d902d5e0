"""What belongs to a `WandbDivergenceGuard` and one run."""

import weakref
from collections.abc import Mapping
from typing import Any

import wandb

from wk_core.axes import define_axis
from wk_core.compat.keras.hooks import call_before_all, current_callback_list, is_in_fit
from wk_core.distribution import workers_strategy
from wk_core.epochs import EpochNumbers
from wk_core.process import this_process
from wk_core.state.rollback import RollbackSource, find_rollback_source
from wk_metrics.divergence.response import GuardSettings, Response
from wk_metrics.divergence.watcher import NormWatcher


class GuardSession:
    """Guards the trainings of one callback.

    Args:
        run: The run.
        settings: What the guard does.
        name: The callback's class, for messages.
    """

    def __init__(self, run: wandb.Run, settings: GuardSettings, name: str) -> None:
        self._run = run
        self._settings = settings
        self._name = name
        self._epochs = EpochNumbers(run)
        self._epoch = 0
        self._has_said = False
        self._callbacks: weakref.ref[Any] | None = None
        self._response: Response | None = None
        self._watcher: NormWatcher | None = None
        if not run.disabled:
            define_axis(run, "divergence", "step")

    @property
    def is_in_fit(self) -> bool:
        """Whether a `fit` is running."""
        return self._response is not None

    def begin_fit(self, model: Any, params: Mapping[str, Any] | None) -> None:
        """Begins a `fit`, after ending an earlier one that was interrupted.

        Raises:
            ValueError: If nothing in this `fit` can put the model back, or its rate cannot be set.
        """
        self.end_fit()
        self._epochs.begin_fit()
        if not is_in_fit(model):
            self._say("its steps are not run by Keras' `fit`")
            return
        if workers_strategy(model) is not None:
            self._say("several TensorFlow workers train the model")
            return
        self._response = Response(self._run, self._settings, model, self._source(), self._name)
        # Processes that train together have to take the same steps.
        every = 1 if this_process().count > 1 else self._settings.norms_every
        self._watcher = NormWatcher(self._run, model, params, every=every, say=self._say)
        self._follow(current_callback_list())

    def begin_epoch(self, epoch: int) -> None:
        """Begins an epoch."""
        self._epochs.begin(epoch)
        self._epoch = epoch

    def begin_batch(self, first: int) -> None:
        """Judges the steps that are ready, and announces the ones that begin."""
        self._check(wait=False)
        if self._watcher is not None:
            number = self._epochs.number(self._epoch)
            self._watcher.begin_batch(first, epoch=self._epoch, number=number)

    def end_epoch(self, epoch: int) -> None:
        """Records that the epoch has ended."""
        if self._watcher is not None:
            self._watcher.end_epoch()
        self._epochs.end(epoch)

    def end_fit(self) -> None:
        """Judges the last steps, and waits until everything is logged."""
        self._check(wait=True)
        self._stop_watching()
        response, self._response = self._response, None
        if response is not None:
            response.close()

    def _follow(self, callbacks: Any) -> None:
        """Judges all steps of an epoch before another callback saves the model at its end."""
        known = None if self._callbacks is None else self._callbacks()
        if callbacks is not None and callbacks is not known:
            self._callbacks = weakref.ref(callbacks)
            call_before_all(callbacks, "on_epoch_end", lambda *_, **__: self._check(wait=True))

    def _check(self, *, wait: bool) -> None:
        watcher, response = self._watcher, self._response
        if watcher is None or response is None:
            return
        finding = watcher.check(wait=wait)
        if finding is None:
            return
        if response.answer(finding, watcher.next_batch):
            watcher.restart()
        else:
            self._stop_watching()

    def _stop_watching(self) -> None:
        watcher, self._watcher = self._watcher, None
        if watcher is not None:
            watcher.close()

    def _source(self) -> RollbackSource | None:
        if self._settings.action != "rollback":
            return None
        source = find_rollback_source()
        if source is None:
            raise ValueError(
                f"{self._name}(action='rollback') puts the model back to a checkpoint, but no "
                "callback of this `fit` saves any: add a WandbModelCheckpoint to its callbacks."
            )
        return source

    def _say(self, reason: str) -> None:
        if not self._has_said:
            self._has_said = True
            wandb.termwarn(
                f"{self._name} cannot look at this training, and does not guard it: {reason}."
            )
