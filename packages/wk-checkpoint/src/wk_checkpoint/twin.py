"""A second instance of a model, for writers that read nothing but the model's own variables."""

import json
from typing import Any

from wk_checkpoint.contents import Contents
from wk_core.keras import LEGACY, keras
from wk_core.keras_saving import serialized_config, without_distribution

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
        if LEGACY:
            return "Keras 2 can only save what a model holds at that moment"
        if not isinstance(model, keras.Sequential) and not _is_functional(model):
            return "TensorFlow's writers read the variables of the model itself"
        try:
            self._of(model, serialized_config(model))
        except (TypeError, ValueError) as error:
            return f"the model cannot be made again from its configuration ({error})"
        return None

    def holding(self, contents: Contents) -> Any:
        """Returns the model with a checkpoint's values: its twin, or itself without a snapshot."""
        if contents.snapshot is None:
            return contents.model
        twin = self._of(contents.model, contents.config)
        for variable, copy in zip(
            self._variables(contents.model), self._variables(twin), strict=True
        ):
            copy.assign(contents.snapshot.value_of(variable))
        return twin

    def _of(self, model: Any, config: str) -> Any:
        if config != self._config:
            tree = json.loads(config)
            if not self._with_optimizer:
                tree.pop("compile_config", None)
            # The user's own model, from this process: no code from elsewhere runs.
            with without_distribution():
                twin = keras.saving.deserialize_keras_object(tree, safe_mode=False)
            if [one.shape for one in self._variables(twin)] != [
                one.shape for one in self._variables(model)
            ]:
                raise ValueError("it would have other variables")
            self._twin, self._config = twin, config
        return self._twin

    def _variables(self, model: Any) -> list[Any]:
        optimizer = model.optimizer if self._with_optimizer else None
        return [*model.weights, *([] if optimizer is None else optimizer.variables)]


def _is_functional(model: Any) -> bool:
    return type(model) is keras.Model and bool(getattr(model, "inputs", None))
