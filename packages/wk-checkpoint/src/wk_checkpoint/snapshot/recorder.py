"""Recording the content of a checkpoint in the training thread."""

from collections.abc import Sequence
from typing import Any

import wandb

from wk_checkpoint.checkpoint import CheckpointStep
from wk_checkpoint.errors import SplitModelError, UnserializableModelError
from wk_checkpoint.formats import Format
from wk_checkpoint.snapshot.checkpoint_data import CheckpointData
from wk_checkpoint.snapshot.finiteness import infinite_by_design
from wk_checkpoint.snapshot.snapshot import Snapshot
from wk_checkpoint.state import model_state, training_state
from wk_checkpoint.state.serialization import serialize_model
from wk_core.compat.keras.saved_objects import SavedObject, new_saved_objects
from wk_core.compat.keras.saving import is_overridden, prepare_saving
from wk_core.compat.keras.sharding import is_sharded
from wk_core.distribution import workers_strategy

__all__ = ["CheckpointRecorder", "requires_collective_save"]


class CheckpointRecorder:
    """Records the content of checkpoints, as a snapshot wherever a model allows it.

    If a model has no snapshot, a message says so once, with the reason.

    Args:
        format: The format of the checkpoints.
        in_background: Whether another thread writes them, so that a snapshot must be a copy.

    Attributes:
        infinite: The names of the untrained weights that were infinite before training.
    """

    def __init__(self, format: Format, *, in_background: bool) -> None:  # noqa: A002  Keras' word
        self._format = format
        self._in_background = in_background
        self._blocking_was_reported = False
        self._objects = new_saved_objects()
        self.infinite: frozenset[str] = frozenset()

    def prepare(self, model: Any) -> None:
        """Imports what the first checkpoint needs, and checks that the model can be saved.

        Keras' writers search its own classes, and import TensorFlow on every backend.

        Raises:
            UnserializableModelError: If the whole model can never be saved.
        """
        prepare_saving()
        if self._format.needs_configuration and self._overridden_method(model) is None:
            try:
                serialize_model(model)
            except UnserializableModelError as error:
                if self._is_final(error.cause, model):
                    raise
        if not requires_collective_save(model):
            objects = () if self._objects is None else self._objects.of(model)
            self.infinite = infinite_by_design(model, objects)

    def record(
        self, step: CheckpointStep, model: Any, *, best: float | None, callbacks: list[Any]
    ) -> CheckpointData:
        """Returns the content of a checkpoint, as it is now.

        Args:
            step: The step of the training.
            model: The model; its variables must hold the training state.
            best: The best value of the monitored metric so far.
            callbacks: The callbacks whose state is saved.

        Raises:
            SplitModelError: If processes share the model's variables, and it has no snapshot.
            UnserializableModelError: If the format holds the architecture, and Keras cannot
                serialize it.
        """
        state = training_state.record(step, best=best, model=model, callbacks=callbacks)
        objects: Sequence[SavedObject] = ()
        snapshot = None
        if self._objects is not None:
            objects = self._objects.of(model)
            snapshot = self._snapshot(model, objects)
        elif self._in_background:
            self._report_blocking(
                "this version of Keras can only save what a model holds at that moment"
            )
        state["model"] = model_state.record(model, objects, snapshot)
        return CheckpointData(model, state, snapshot)

    def _snapshot(self, model: Any, objects: Sequence[SavedObject]) -> Snapshot | None:
        """Returns a snapshot; None if the model has to save itself while training waits."""
        if is_sharded(model):
            reason = self._overridden_method(model) or self._format.blocking_reason(model)
            if reason is not None:
                raise SplitModelError(reason)
            return self._snapshot_of(model, objects, live=False)
        reason = self._overridden_method(model)
        if reason is not None:
            self._report_blocking(reason)
            return None
        reason = self._format.blocking_reason(model) if self._in_background else None
        if reason is not None:
            self._report_blocking(reason)
        live = reason is not None or not self._in_background
        try:
            return self._snapshot_of(model, objects, live=live)
        except UnserializableModelError:
            raise
        except Exception as error:  # from a method of the user: Keras' own writer may manage
            self._report_blocking(f"its state can be had by Keras' writer only ({error!r})")
            return None

    def _snapshot_of(self, model: Any, objects: Sequence[SavedObject], *, live: bool) -> Snapshot:
        snapshot = self._format.snapshot(model, objects, live=live)
        snapshot.add_assets()
        return snapshot

    def _overridden_method(self, model: Any) -> str | None:
        """Returns a phrase that names the model's own method to save itself; None without one."""
        method = self._format.method
        if method is not None and is_overridden(model, method):
            return f"{type(model).__name__} has a `{method}` of its own"
        return None

    def _is_final(self, cause: Exception, model: Any) -> bool:
        """Returns whether a model that Keras could not serialize before training never will be."""
        if self._objects is None:
            # Keras' own writer may take more values than this, but nothing from such a method.
            return isinstance(cause, NotImplementedError)
        # The configuration of a model that is not built may become serializable later.
        return model.built or isinstance(cause, NotImplementedError | TypeError)

    def _report_blocking(self, reason: str) -> None:
        if not self._blocking_was_reported:
            self._blocking_was_reported = True
            wandb.termlog(
                f"WandbModelCheckpoint: training waits while a checkpoint is written: {reason}."
            )


def requires_collective_save(model: Any) -> bool:
    """Returns whether all processes must take part when one of them saves a model."""
    return workers_strategy(model) is not None or is_sharded(model)
