"""What the installed versions can do: marks for tests that need more than every version has.

Each mark looks for the thing itself, and its reason names the version that brought it.
"""

import functools
import tempfile
from importlib.metadata import version
from typing import Any, Final

import pytest

from wk_core.compat.keras.flavour import LEGACY, backend, keras

needs_multi_optimizer: Final = pytest.mark.skipif(
    LEGACY or not hasattr(keras.optimizers, "MultiOptimizer"),
    reason="Keras 3.15 brought `MultiOptimizer`",
)


def require_runnable_saved_models() -> None:
    """Skips the test where TensorFlow cannot run the SavedModels that JAX writes."""
    if backend() == "jax" and not _saved_models_run():
        pytest.skip(
            f"TensorFlow {version('tensorflow')} cannot run what JAX {version('jax')} writes"
        )


def activity_losses_are_means() -> bool:
    """Returns whether Keras divides the loss of an activity regularizer by the batch's samples.

    Keras 3.13 and earlier do not, so that the loss of all data depends on the size of the batches.
    """
    layer = keras.layers.ActivityRegularization(l1=1.0)
    layer(keras.ops.ones((2, 1)))
    return float(layer.losses[0]) == 1.0


def require_refused_configurations() -> None:
    """Skips the test where Keras writes a configuration that it cannot make a model from."""

    class Holder(keras.Model):  # type: ignore[misc]  # Keras ships no types
        def __init__(self, layer: Any) -> None:
            super().__init__()
            self.layer = layer

    try:
        Holder(keras.layers.Dense(1)).get_config()
    except NotImplementedError:
        return
    pytest.skip("Keras 3.10 writes configurations that it cannot read")


@functools.cache
def _saved_models_run() -> bool:
    tf: Any = pytest.importorskip("tensorflow")
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    with tempfile.TemporaryDirectory() as directory:
        model.export(directory, verbose=False)
        try:
            served = tf.saved_model.load(directory)
            served.serve(tf.zeros((1, 1)))
        except tf.errors.OpError:
            return False
    return True
