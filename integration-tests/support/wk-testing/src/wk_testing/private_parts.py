"""What is private to others, in the versions that are installed: what is there, left out, broken.

An entry of `wk_core.compat` says in which versions its parts are known. Where an older version
lacks one, its feature is left out, as meant; where any other version does, the entry is broken.
"""

import contextlib
import importlib
import importlib.metadata
import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import wandb

from wk_core.compat.entries import Entry, find, load_entries
from wk_core.compat.keras.flavour import backend, keras

__all__ = ["Finding", "is_older", "look", "sample_objects"]

_ONE_FILE: Final = "wk_eval.tables.wandb_internals"
_ON_ONE_BACKEND: Final = {"dataset": "tensorflow", "jax_model": "jax", "tensorflow": "tensorflow"}


@dataclass(frozen=True)
class Finding:
    """What is there of an entry.

    Attributes:
        entry: The entry.
        missing: Those of its parts that the installed versions lack.
    """

    entry: Entry
    missing: tuple[str, ...]

    @property
    def is_left_out(self) -> bool:
        """Whether an older version lacks what the entry stands on."""
        return bool(self.missing) and is_older(self.entry)

    @property
    def is_broken(self) -> bool:
        """Whether a version lacks what the entry stands on although it should have it."""
        return bool(self.missing) and not is_older(self.entry)


def look() -> list[Finding]:
    """Looks for the parts of all entries, in the versions and on the backend of this process."""
    importlib.import_module(_ONE_FILE)
    entries = load_entries()
    with sample_objects() as samples:
        return [
            Finding(entry, tuple(part for part in entry.parts if not is_there(part, samples)))
            for _, entry in sorted(entries.items())
        ]


def is_older(entry: Entry) -> bool:
    """Returns whether the installed version is older than those in which the parts are known."""
    owner, first = re.match(r"(\w+) ([\d.]+) to", entry.versions).groups()  # type: ignore[union-attr]
    return _numbers(_installed(owner)) < _numbers(first)


def is_there(part: str, samples: dict[str, Any]) -> bool:
    """Returns whether an import path, or an attribute of a sample, is there."""
    owner = part.partition(".")[0]
    if _ON_ONE_BACKEND.get(owner, backend()) != backend():
        return True  # seen on that backend
    if owner not in samples or (owner in ("keras", "wandb") and "(" not in part):
        # An attribute may be there and None, as TensorFlow's own generator before its first use.
        module, _, name = part.rpartition(".")
        return find(part) is not None or hasattr(find(module), name)
    try:
        eval(part, {}, samples)
    except AttributeError:
        return False
    return True


@contextlib.contextmanager
def sample_objects() -> Iterator[dict[str, Any]]:
    """Makes the objects whose attributes entries name, as they are in a training."""
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, name="dense")])
    accumulating = keras.optimizers.SGD(gradient_accumulation_steps=2)
    model.compile(accumulating, "mse", metrics=["mae"])
    model.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0)
    image = wandb.Image(np.zeros((2, 2, 3), np.uint8))
    table = wandb.Table(columns=["a"], data=[[1]])
    artifact = wandb.Artifact("name", type="type")
    artifact.add(table, "table")
    request_error: Any = find("wandb.sdk.lib.service.service_connection.WandbApiFailedError")
    with (
        tempfile.TemporaryDirectory() as directory,
        wandb.init(project="test", mode="offline", dir=directory) as run,
    ):
        yield {
            "api": wandb.apis.public.Api,
            "artifact": artifact,
            "dataset": _dataset(),
            "failed_request": (request_error or Exception)("no answer"),
            "functional": model._functional,
            "image": image,
            "jax_model": model,
            "keras": keras,
            "layer": model.layers[0],
            "link": table.get_index()[0],  # type: ignore[no-untyped-call]
            "metric": keras.metrics.AUC(),
            "model": model,
            "optimizer": model.optimizer,
            "run": run,
            "sequential": model,
            "table": table,
            "variable": model.layers[0].kernel,
            "wandb": wandb,
        }


def _dataset() -> Any:
    """Returns a data set of TensorFlow's; None on another backend."""
    if backend() != "tensorflow":
        return None
    import tensorflow as tf

    return tf.data.Dataset.range(2)


def _installed(owner: str) -> str:
    return sys.version if owner == "Python" else importlib.metadata.version(owner)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])
