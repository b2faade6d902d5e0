"""What is private to others and wk stands on is still there: a test for each entry of `compat`.

A red test names the entry. Look up in the release notes of its owner what the part has become;
mend the function in `wk_core.compat`, so that it works with both; add the version to its entry; and
run `.ci/compat-table --write`.
"""

import importlib
import importlib.metadata
import platform
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import wandb

from wk_core.compat.entries import ENTRIES, Entry, find, load_entries
from wk_core.compat.keras.flavour import LEGACY, backend, keras

ONE_FILE = "wk_eval.tables.wandb_internals"
ON_ONE_BACKEND = {"dataset": "tensorflow", "jax_model": "jax", "tensorflow": "tensorflow"}

importlib.import_module(ONE_FILE)
load_entries()

pytestmark = pytest.mark.skipif(LEGACY, reason="Keras 2 changes no more")


@pytest.fixture(scope="module")
def model() -> Any:
    """A model that has been trained."""
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, name="dense")])
    model.compile("sgd", "mse", metrics=["mae"])
    model.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0)
    return model


@pytest.fixture(scope="module")
def samples(model: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The objects whose attributes entries name, as they are in a training."""
    run = wandb.init(project="test", mode="offline", dir=tmp_path_factory.mktemp("samples"))
    image = wandb.Image(np.zeros((2, 2, 3), np.uint8))
    table = wandb.Table(columns=["a"], data=[[1]])
    artifact = wandb.Artifact("name", type="type")
    artifact.add(table, "table")
    request_error: Any = find("wandb.sdk.lib.service.service_connection.WandbApiFailedError")
    yield {
        "api": wandb.apis.public.Api,
        "artifact": artifact,
        "dataset": dataset(),
        "failed_request": (request_error or Exception)("no answer"),
        "functional": model._functional,
        "image": image,
        "jax_model": model,
        "keras": keras,
        "layer": model.layers[0],
        "link": table.get_index()[0],
        "metric": keras.metrics.AUC(),
        "model": model,
        "optimizer": model.optimizer,
        "run": run,
        "sequential": model,
        "table": table,
        "variable": model.layers[0].kernel,
        "wandb": wandb,
    }
    run.finish()


def dataset() -> Any:
    """Returns a data set of TensorFlow's; None on another backend."""
    if backend() != "tensorflow":
        return None
    import tensorflow as tf

    return tf.data.Dataset.range(2)


def missing_parts(entry: Entry, samples: dict[str, Any]) -> list[str]:
    """Returns the parts of an entry that are not there."""
    return [part for part in entry.parts if not is_there(part, samples)]


def is_there(part: str, samples: dict[str, Any]) -> bool:
    """Tells whether an import path, or an attribute of a sample, is there."""
    owner = part.partition(".")[0]
    if ON_ONE_BACKEND.get(owner, backend()) != backend():
        return True  # seen where the suite runs on that backend
    if owner not in samples or (owner in ("keras", "wandb") and "(" not in part):
        # An attribute may be there and None, as TensorFlow's own generator before its first use.
        module, _, name = part.rpartition(".")
        return find(part) is not None or hasattr(find(module), name)
    try:
        eval(part, {}, samples)
    except AttributeError:
        return False
    return True


def numbers(version: str) -> list[int]:
    """Returns the numbers that a version begins with."""
    return [int(number) for number in re.findall(r"\d+", version)]


def is_before(entry: Entry) -> bool:
    """Tells whether what is installed here is older than the versions that an entry names."""
    owner, _, versions = entry.versions.partition(" ")
    if owner == "Python":
        installed = platform.python_version()
    else:
        installed = importlib.metadata.version(owner)
    return numbers(installed) < numbers(versions.partition(" ")[0])


@pytest.mark.parametrize("name", sorted(ENTRIES))
def test_what_an_entry_stands_on_is_there(name: str, samples: dict[str, Any]) -> None:
    entry = ENTRIES[name]
    if is_before(entry):
        assert missing_parts(entry, samples) != [], f"{entry.function}: older versions have it, too"
        pytest.skip(f"{entry.versions} have it; without it: {entry.without}")
    assert missing_parts(entry, samples) == [], (
        f"{entry.function} stands on what is gone (known in {entry.versions}). Without it: "
        f"{entry.without}. See the first lines of this file."
    )


def test_older_version_than_an_entry_names() -> None:
    wandb_only, python, keras_3 = (
        Entry("f", (), "why", versions, "without", "report")
        for versions in ("wandb 99.1 to 99.2", "Python 3.11 to 3.13", "Keras 3.0 to 3.15, Keras 2")
    )
    assert is_before(wandb_only)
    assert not is_before(python)
    assert not is_before(keras_3)


@pytest.mark.parametrize("part", ["run._no_such_thing", "wandb.sdk.no_such_module", "keras.src.x"])
def test_missing_part_goes_red(part: str, samples: dict[str, Any]) -> None:
    entry = Entry("f", (part,), "why", "versions", "without", "report")
    assert missing_parts(entry, samples) == [part]
