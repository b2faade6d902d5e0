"""What the installed versions can do: marks for tests that need more than every version has.

Each mark looks for the thing itself, and its reason names the version that brought it.
"""

import contextlib
import functools
import importlib.util
import inspect
import shutil
import sysconfig
import tempfile
from collections.abc import Callable, Iterator
from importlib.metadata import version
from typing import Any, Final

import pytest
import wandb
from wandb.sdk.lib import hashutil

from wk_core.compat.keras.flavour import LEGACY, backend, keras

_HAS_XXH128: Final = "digest_algorithm" in inspect.signature(wandb.Artifact).parameters

needs_xxh128: Final = pytest.mark.skipif(not _HAS_XXH128, reason="wandb 0.29 brought XXH128")
_NO_FINISH_TIMEOUT: Final = (
    "" if hasattr(wandb.Settings(), "finish_timeout") else "wandb 0.27 brought `finish_timeout`"
)
needs_finish_timeout: Final = pytest.mark.skipif(
    bool(_NO_FINISH_TIMEOUT), reason=_NO_FINISH_TIMEOUT
)
needs_normalize: Final = pytest.mark.skipif(
    "normalize" not in inspect.signature(wandb.Image).parameters,
    reason="wandb 0.28 was the last whose images had `normalize`",
)
needs_multi_optimizer: Final = pytest.mark.skipif(
    LEGACY or not hasattr(keras.optimizers, "MultiOptimizer"),
    reason="Keras 3.15 brought `MultiOptimizer`",
)

file_digest: Final[Callable[..., str]] = getattr(
    hashutil, "xxh128_file_b64" if _HAS_XXH128 else "md5_file_b64"
)
"""The digest by which the installed wandb tells a file of a checkpoint apart from others."""


def has_tools() -> bool:
    """Returns whether this environment has the tools of `.ci/checks`.

    One that `uv sync` makes has all of them. Lanes of other versions have what tests need alone.
    """
    return shutil.which("ruff", path=sysconfig.get_path("scripts")) is not None


def has_module(name: str) -> bool:
    """Returns whether a module may be asked for: it is installed, or should be by `uv sync`."""
    return has_tools() or importlib.util.find_spec(name) is not None


@contextlib.contextmanager
def in_several_processes() -> Iterator[None]:
    """Skips the test where Keras refuses a `PyDataset` in several processes, as Keras 3.10 does."""
    try:
        yield
    except AssertionError as error:
        if has_tools() or "the data must be provided as a `tf.data.Dataset`" not in str(error):
            raise
        pytest.skip("in several processes this Keras takes nothing but a tf.data.Dataset")


def finish_timeout_obstacle() -> str:
    """Returns why wandb does not take a `finish_timeout`; nothing where it does."""
    return _NO_FINISH_TIMEOUT


def require_runnable_saved_models() -> None:
    """Skips the test where TensorFlow cannot run the SavedModels that JAX writes."""
    if reason := saved_models_obstacle():
        pytest.skip(reason)


def saved_models_obstacle() -> str:
    """Returns why TensorFlow cannot run the SavedModels that JAX writes; nothing where it can."""
    if backend() != "jax" or _saved_models_run():
        return ""
    return f"TensorFlow {version('tensorflow')} cannot run what JAX {version('jax')} writes"


def quantizes_to(mode: str) -> bool:
    """Returns whether Keras quantizes layers in a mode: Keras 3.11 brought `int4`."""
    try:
        keras.dtype_policies.get(f"{mode}_from_float32")
    except (AttributeError, ValueError):  # Keras 2 has no policies of that kind
        return False
    return True


@functools.cache
def sync_skips_online_runs() -> bool:
    """Returns whether `wandb sync` skips the directory of an online run, unless it is told to.

    wandb 0.25 does not. It also says of every run that it has finished, even of a killed one.
    """
    from wandb.cli import cli

    return any("--no-skip-online" in option.opts for option in cli.sync.params)


def require_sync_that_skips_online_runs() -> None:
    """Skips the test where `wandb sync` does not tell an online run from an offline one."""
    if not sync_skips_online_runs():
        pytest.skip(f"`wandb sync` {wandb.__version__} does not skip online runs")


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
