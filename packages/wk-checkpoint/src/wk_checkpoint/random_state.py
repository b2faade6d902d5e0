"""The random numbers of a process: Python's, NumPy's and those that Keras draws without a seed."""

import random
from collections.abc import Mapping
from typing import Any

import numpy as np

from wk_core.keras import keras
from wk_core.keras_saving import global_seed_generator

__all__ = ["put_back", "taken"]


def taken() -> dict[str, Any]:
    """Returns where the generators of this process stand."""
    version, internal, gauss_next = random.getstate()
    seed = global_seed_generator()
    return {
        "python": {"version": version, "internal": list(internal), "gauss_next": gauss_next},
        "numpy": np.random.get_state(legacy=False),
        "keras": None if seed is None else keras.ops.convert_to_numpy(seed),
    }


def put_back(state: Mapping[str, Any]) -> None:
    """Puts the generators of this process where they stood."""
    python = state["python"]
    random.setstate((python["version"], tuple(python["internal"]), python["gauss_next"]))
    np.random.set_state(state["numpy"])
    if state["keras"] is not None:
        global_seed_generator(create=True).assign(state["keras"])
