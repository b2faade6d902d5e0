"""Loading a checkpoint into a model: weights, optimizer state, and what Keras' files leave out."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wk_checkpoint.formats import format_of
from wk_checkpoint.state import model_state
from wk_core.distribution import scope_of

__all__ = ["load_checkpoint"]


def load_checkpoint(model: Any, path: Path, source: str) -> Mapping[str, Any]:
    """Loads a checkpoint into a model; returns the training state that it holds.

    Args:
        model: The model, compiled in the same way as the saved one.
        path: The file or directory.
        source: The name of the checkpoint, for errors.

    Raises:
        ValueError: If wk did not write it, or the model differs from the saved one.
    """
    checkpoint_format = format_of(path)
    state = checkpoint_format.training_state(path)
    if state is None:
        raise ValueError(
            f"{source} holds no training state: WandbModelCheckpoint has not written it. "
            "`keras.saving.load_model` or `model.load_weights` may load it."
        )
    with scope_of(model):
        checkpoint_format.build(model, path)
        model_state.prepare(model, state["model"], source)
        checkpoint_format.load(model, path)
        model_state.restore_extras(model, state, source)
    return state
