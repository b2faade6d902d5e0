"""A second instance of a model, for TensorFlow's writers, which read a model's own variables."""

import json
from collections.abc import Sequence
from typing import Any

from wk_checkpoint.errors import UnserializableModelError
from wk_checkpoint.snapshot.checkpoint_data import CheckpointData
from wk_checkpoint.snapshot.snapshot import Snapshot
from wk_checkpoint.state.serialization import serialize_model
from wk_core.compat.keras.flavour import keras, without_distribution
from wk_core.compat.keras.saved_objects import SavedObject

__all__ = ["ModelReplica"]


class ModelReplica:
    """Builds a replica of a model once, and assigns it the values of each snapshot.

    The replica takes as much memory as the model. It is built from the model's configuration, so
    there is none of a model that cannot be built from that.

    Args:
        with_optimizer: Whether the replica is compiled and has the optimizer's state.
    """

    def __init__(self, *, with_optimizer: bool) -> None:
        self._with_optimizer = with_optimizer
        self._config: str | None = None
        self._model: Any = None

    def __getstate__(self) -> dict[str, Any]:
        # A copy builds a replica of its own.
        return {**vars(self), "_config": None, "_model": None}

    def blocking_reason(self, model: Any) -> str | None:
        """Builds the replica; returns why there is none, or None if there is one."""
        if not isinstance(model, keras.Sequential) and not _is_functional(model):
            return "TensorFlow's writers read the variables of the model itself"
        try:
            self._build(model, serialize_model(model))
        except (NotImplementedError, TypeError, ValueError) as error:
            cause = error.cause if isinstance(error, UnserializableModelError) else error
            return f"the model cannot be made again from its configuration ({cause})"
        return None

    def snapshot(self, model: Any, objects: Sequence[SavedObject], *, live: bool) -> Snapshot:
        """Returns the values that the replica will get; none if the model itself is written."""
        snapshot = Snapshot(objects, live=live)
        if not live:
            self.add_variables(model, snapshot)
        for one in objects:
            # TensorFlow's writers know one optimizer and its parts.
            if one.is_optimizer and one.path.partition("/")[0] != "optimizer":
                snapshot.add_extra_variables(one)
        return snapshot

    def add_variables(self, model: Any, snapshot: Snapshot) -> None:
        """Adds the values that the replica will get to a snapshot."""
        snapshot.add_variables(self._variables(model))

    def with_values(self, data: CheckpointData) -> Any:
        """Returns a model with a checkpoint's values: the replica, or the model itself."""
        if data.snapshot is None or data.snapshot.live:
            return data.model
        copies = self._variables(self._model)
        for copy, value in zip(copies, data.snapshot.variables, strict=True):
            copy.assign(value)
        return self._model

    def _build(self, model: Any, config: str) -> None:
        """Builds the replica, unless there is one of the same configuration."""
        if config != self._config:
            tree = json.loads(config)
            if not self._with_optimizer:
                tree.pop("compile_config", None)
            # Safe: the configuration is that of a model of this process.
            with without_distribution():
                self._model = keras.saving.deserialize_keras_object(tree, safe_mode=False)
            self._config = config
        if [one.shape for one in self._variables(self._model)] != [
            one.shape for one in self._variables(model)
        ]:
            raise ValueError("it would have other variables")

    def _variables(self, model: Any) -> list[Any]:
        optimizer = model.optimizer if self._with_optimizer else None
        return [*model.weights, *([] if optimizer is None else optimizer.variables)]


def _is_functional(model: Any) -> bool:
    return type(model) is keras.Model and bool(getattr(model, "inputs", None))
