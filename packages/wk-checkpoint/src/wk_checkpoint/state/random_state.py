"""The random generators of a process: those of Python, NumPy, PyTorch, and Keras' global one."""

import random
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from wk_core.compat.keras.flavour import global_seed_generator, keras

__all__ = ["capture", "capture_torch", "restore", "restore_torch"]


def capture() -> dict[str, Any]:
    """Returns the state of this process's random generators."""
    version, internal, gauss_next = random.getstate()
    seed = global_seed_generator()
    return {
        "python": {"version": version, "internal": list(internal), "gauss_next": gauss_next},
        "numpy": np.random.get_state(legacy=False),
        "keras": None if seed is None else keras.ops.convert_to_numpy(seed),
        "torch": capture_torch(),
    }


def restore(state: Mapping[str, Any]) -> None:
    """Restores the state of this process's random generators."""
    python = state["python"]
    random.setstate((python["version"], tuple(python["internal"]), python["gauss_next"]))
    np.random.set_state(state["numpy"])
    if state["keras"] is not None:
        global_seed_generator(create=True).assign(state["keras"])
    restore_torch(state["torch"])


def capture_torch() -> dict[str, np.ndarray]:
    """Returns the state of PyTorch's generators by device type; empty if PyTorch is not imported.

    On PyTorch, dropout without a seed and Keras' shuffling of arrays draw from them; with any
    backend a `DataLoader` does.
    """
    return {name: kind.get_rng_state().numpy() for name, kind in _torch_generators().items()}


def restore_torch(states: Mapping[str, np.ndarray]) -> None:
    """Restores the state of PyTorch's generators."""
    for name, kind in _torch_generators().items():
        if name in states:
            kind.set_rng_state(sys.modules["torch"].from_numpy(states[name]))


def _torch_generators() -> dict[str, Any]:
    torch: Any = sys.modules.get("torch")
    if torch is None:
        return {}
    return {"cpu": torch, **({"cuda": torch.cuda} if torch.cuda.is_initialized() else {})}
