"""A second instance of a model, for writers that read nothing but the model's own variables."""

import json
from collections.abc import Sequence
from typing import Any

from wk_checkpoint.errors import UnserializableModelError
from wk_checkpoint.snapshot.checkpoint_data import Contents
from wk_checkpoint.snapshot.snapshot import Snapshot
from wk_checkpoint.state.architecture import serialized
from wk_core.keras import keras
from wk_core.keras_saving import without_distribution
from wk_core.saved_objects import SavedObject

__all__ = ["Twins"]


class Twins:
    """Makes a model's twin once, and gives it the values of one snapshot after the other.

    The twin takes as much memory as the model, and is made from its configuration: what cannot be
    made again from that has no twin.

    Args:
        with_optimizer: Whether the twin is compiled, and has the optimizer's state.
    """

    def __init__(self, *, with_optimizer: bool) -> None:
        self._with_optimizer = with_optimizer
        self._config: str | None = None
        self._twin: Any = None

    def __getstate__(self) -> dict[str, Any]:
        # Whoever is given a copy makes a twin of its own.
        return {**vars(self), "_config": None, "_twin": None}

    def obstacle(self, model: Any) -> str | None:
        """Returns why a model has no twin, or None if it has one, which it makes."""
        if not isinstance(model, keras.Sequential) and not _is_functional(model):
            return "TensorFlow's writers read the variables of the model itself"
        try:
            self._make(model, serialized(model))
        except (NotImplementedError, TypeError, ValueError) as error:
            cause = error.cause if isinstance(error, UnserializableModelError) else error
            return f"the model cannot be made again from its configuration ({cause})"
        return None

    def snapshot(self, model: Any, objects: Sequence[SavedObject], *, live: bool) -> Snapshot:
        """Returns what the twin of a model will hold; where training waits, there is no need."""
        snapshot = Snapshot(objects, live=live)
        if not live:
            self.take(model, snapshot)
        for one in objects:
            # The writers know one optimizer, with the parts that it may have.
            if one.is_optimizer and one.path.partition("/")[0] != "optimizer":
                snapshot.take_beside(one)
        return snapshot

    def take(self, model: Any, snapshot: Snapshot) -> None:
        """Adds to a snapshot what the twin of a model will hold."""
        snapshot.take_variables(self._variables(model))

    def holding(self, contents: Contents) -> Any:
        """Returns the model with a checkpoint's values: its twin, or itself."""
        if contents.snapshot is None or contents.snapshot.live:
            return contents.model
        copies = self._variables(self._twin)
        for copy, value in zip(copies, contents.snapshot.variables, strict=True):
            copy.assign(value)
        return self._twin

    def _make(self, model: Any, config: str) -> None:
        """Makes the twin of a model, where the last one was made from another configuration."""
        if config != self._config:
            tree = json.loads(config)
            if not self._with_optimizer:
                tree.pop("compile_config", None)
            # The user's own model, from this process: no code from elsewhere runs.
            with without_distribution():
                self._twin = keras.saving.deserialize_keras_object(tree, safe_mode=False)
            self._config = config
        if [one.shape for one in self._variables(self._twin)] != [
            one.shape for one in self._variables(model)
        ]:
            raise ValueError("it would have other variables")

    def _variables(self, model: Any) -> list[Any]:
        optimizer = model.optimizer if self._with_optimizer else None
        return [*model.weights, *([] if optimizer is None else optimizer.variables)]


def _is_functional(model: Any) -> bool:
    return type(model) is keras.Model and bool(getattr(model, "inputs", None))
