"""The random numbers of a process: Python's, NumPy's, PyTorch's and Keras' own without a seed."""

import random
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from wk_core.keras import keras
from wk_core.keras_saving import global_seed_generator

__all__ = ["put_back", "put_back_to_torch", "taken", "taken_from_torch"]


def taken() -> dict[str, Any]:
    """Returns where the generators of this process stand."""
    version, internal, gauss_next = random.getstate()
    seed = global_seed_generator()
    return {
        "python": {"version": version, "internal": list(internal), "gauss_next": gauss_next},
        "numpy": np.random.get_state(legacy=False),
        "keras": None if seed is None else keras.ops.convert_to_numpy(seed),
        "torch": taken_from_torch(),
    }


def put_back(state: Mapping[str, Any]) -> None:
    """Puts the generators of this process where they stood."""
    python = state["python"]
    random.setstate((python["version"], tuple(python["internal"]), python["gauss_next"]))
    np.random.set_state(state["numpy"])
    if state["keras"] is not None:
        global_seed_generator(create=True).assign(state["keras"])
    put_back_to_torch(state["torch"])


def taken_from_torch() -> dict[str, np.ndarray]:
    """Returns where PyTorch's generators stand, by the kind of device.

    On PyTorch, dropout without a seed and Keras' shuffling of arrays draw from them; with any
    backend a `DataLoader` does. Whoever draws from them has imported PyTorch.
    """
    return {name: kind.get_rng_state().numpy() for name, kind in _torch_generators().items()}


def put_back_to_torch(states: Mapping[str, np.ndarray]) -> None:
    """Puts PyTorch's generators where they stood."""
    for name, kind in _torch_generators().items():
        if name in states:
            kind.set_rng_state(sys.modules["torch"].from_numpy(states[name]))


def _torch_generators() -> dict[str, Any]:
    torch: Any = sys.modules.get("torch")
    if torch is None:
        return {}
    return {"cpu": torch, **({"cuda": torch.cuda} if torch.cuda.is_initialized() else {})}
