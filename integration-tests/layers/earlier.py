"""What a Keras earlier than the one of `uv.lock` gets wrong itself, where there is no wk."""

import tempfile
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from packaging.version import Version

from layers.case import LayerCase
from layers.training import Training, differences
from wk_core.compat.keras.flavour import keras
from wk_core.compat.keras.graph import all_layers

__all__ = ["EARLIER", "error_of_keras", "fault_of_keras"]

_LOCK: Final = Path(__file__).resolve().parents[2] / "uv.lock"


def _locked_version() -> Version:
    packages = tomllib.loads(_LOCK.read_text())["package"]
    return min(Version(one["version"]) for one in packages if one["name"] == "keras")


EARLIER: Final = Version(keras.__version__) < _locked_version()
"""Whether this Keras is earlier than the locked one, of which everything is asked."""


def fault_of_keras(case: LayerCase) -> str:
    """Returns what is wrong with a layer where there is no wk; nothing where all is well.

    Only an earlier Keras is excused: on the locked one and on later ones nothing is tried.
    """
    return error_of_keras(lambda: _try(case))


def error_of_keras(attempt: Callable[[], Any]) -> str:
    """Returns what an earlier Keras raises in an attempt without wk; nothing where it does not."""
    if not EARLIER:
        return ""
    try:
        attempt()
    except Exception as error:  # whatever it is, wk had no part in it
        return f"Keras {keras.__version__} alone: {type(error).__name__}: {error}"
    return ""


def _try(case: LayerCase) -> None:
    """Trains a layer twice, looks for it in its model, and has Keras save and load the model."""
    one = Training([case], 1)
    one.fit(2)
    other = Training([case], 1)
    other.fit(2)
    if different := differences(one.state(), other.state()):
        raise AssertionError(f"the same training twice differs in {different}")
    layer, model = one.layers[case.name], one.branches[case.name]
    if not any(each is layer for each in all_layers(model)):
        raise AssertionError("it is no part of the model that it is called in")
    with tempfile.TemporaryDirectory() as directory:
        path = f"{directory}/model.keras"
        one.model.save(path)
        keras.saving.load_model(path, safe_mode=False)
