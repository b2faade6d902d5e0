"""Weights and optimizer state in a TensorFlow checkpoint."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

from wk_checkpoint.formats.tensorflow import checked_options, tensorflow
from wk_checkpoint.formats.weights import require_built
from wk_checkpoint.snapshot.checkpoint_data import CheckpointData
from wk_checkpoint.snapshot.replica import ModelReplica
from wk_checkpoint.snapshot.snapshot import Snapshot
from wk_checkpoint.state.serialization import STATE_NAME, decode
from wk_core.compat.keras.flavour import backend, keras
from wk_core.compat.keras.saved_objects import SavedObject

__all__ = ["TensorFlowCheckpoint"]

_PREFIX: Final = "ckpt"


class TensorFlowCheckpoint:
    """A directory with a TensorFlow checkpoint, which `tf.train.latest_checkpoint` finds.

    On the TensorFlow backend it is written by `tf.train.Checkpoint(model=..., optimizer=...)`.
    TensorFlow does not know the variables of other backends: for these it is written by
    `tf.train.Checkpoint(variables=[...])`, in the order of `model.weights` and
    `model.optimizer.variables`.

    Args:
        options: `tf.train.CheckpointOptions`, or None.

    Raises:
        MissingTensorFlowError: If TensorFlow is not installed.
        TypeError: If the options are of another class.
    """

    name: ClassVar[str] = "tensorflow_checkpoint"
    whole: ClassVar[bool] = False
    needs_configuration: ClassVar[bool] = False
    directory: ClassVar[bool] = True
    method: ClassVar[str | None] = None

    def __init__(self, options: Any) -> None:
        self._options = checked_options(
            options, "tf.train.CheckpointOptions", "A TensorFlow checkpoint"
        )
        self._replica = ModelReplica(with_optimizer=True)

    def blocking_reason(self, model: Any) -> str | None:
        """Returns why training must wait while a model is written; None if it need not."""
        return self._replica.blocking_reason(model)

    def snapshot(self, model: Any, objects: Sequence[SavedObject], *, live: bool) -> Snapshot:
        """Returns a snapshot of all that the directory holds."""
        return self._replica.snapshot(model, objects, live=live)

    def write(self, data: CheckpointData, path: Path) -> None:
        """Writes the directory with TensorFlow's writer, and adds the training state."""
        tf = tensorflow("A TensorFlow checkpoint")
        path.mkdir()
        checkpoint = tf.train.Checkpoint(**_objects(self._replica.with_values(data), tf))
        checkpoint.write(str(path / _PREFIX), options=self._options)
        # The file that `tf.train.latest_checkpoint` reads; TensorFlow has no public writer for it.
        (path / "checkpoint").write_text(f'model_checkpoint_path: "{_PREFIX}"\n')
        (path / STATE_NAME).write_bytes(data.encoded_state())

    def training_state(self, path: Path) -> Mapping[str, Any] | None:
        """Returns the training state in the directory, or None."""
        state = path / STATE_NAME
        return decode(state.read_bytes()) if state.is_file() else None

    def build(self, model: Any, path: Path) -> None:  # noqa: ARG002  it holds no shapes of inputs
        """Raises ValueError if a model has no variables yet."""
        require_built(model)

    def load(self, model: Any, path: Path) -> None:
        """Restores weights and optimizer state of a built model."""
        tf = tensorflow("A TensorFlow checkpoint")
        objects = _objects(model, tf)
        status = tf.train.Checkpoint(**objects).read(tf.train.latest_checkpoint(str(path)))
        status.assert_existing_objects_matched()
        if "variables" in objects:
            for variable, holder in zip(_variables(model), objects["variables"], strict=True):
                variable.assign(holder.numpy())


def _objects(model: Any, tf: Any) -> dict[str, Any]:
    """Returns the objects that `tf.train.Checkpoint` saves or restores, by name."""
    optimizer = getattr(model, "optimizer", None)
    if backend() == "tensorflow":
        return {"model": model} if optimizer is None else {"model": model, "optimizer": optimizer}
    values = (keras.ops.convert_to_numpy(variable) for variable in _variables(model))
    return {"variables": [tf.Variable(value) for value in values]}


def _variables(model: Any) -> list[Any]:
    optimizer = getattr(model, "optimizer", None)
    return [*model.weights, *([] if optimizer is None else optimizer.variables)]
