"""Checks of many layers in one model, and of each alone where something is wrong with one."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from layers.case import Groups, LayerCase
from layers.earlier import fault_of_keras
from wk_core.compat.keras.flavour import backend

__all__ = ["Check", "check_all", "left_out", "obstacle", "usable"]

Check = Callable[[Sequence[LayerCase]], Sequence[str]]
"""Trains layers together; returns what is wrong, and may raise."""


def check_all(group: Sequence[LayerCase], check: Check) -> None:
    """Fails if something is wrong with one of the layers, and says with which.

    Skips where it is wrong with an earlier Keras alone too, and nothing is wrong with the others.

    Args:
        group: Uses of layers.
        check: What is checked.
    """
    cases = usable(group)
    if not cases:
        pytest.skip(f"none of them can be used on {backend()}: see the other tests left out")
    wrong = _outcome(cases, check)
    if not wrong:
        return
    outcomes = [(case, _outcome([case], check)) for case in cases] if len(cases) > 1 else []
    guilty = {case.name: what for case, what in outcomes or [(cases[0], wrong)] if what}
    faults = {case.name: fault_of_keras(case) for case in cases if case.name in guilty}
    if guilty and all(faults.values()):
        others = [case for case in cases if case.name not in guilty]
        wrong = _outcome(others, check) if others else None
        if not wrong:
            pytest.skip(_listed(faults))
        guilty = {}
    pytest.fail(_listed(guilty or {"": wrong}))


def usable(group: Sequence[LayerCase]) -> list[LayerCase]:
    """Returns the uses that this backend and this version of Keras have."""
    return [case for case in group if not obstacle(case)]


def left_out(groups: Groups) -> list[LayerCase]:
    """Returns the uses that this backend or this version of Keras does not have."""
    return [case for group in groups.values() for case in group if obstacle(case)]


def obstacle(case: LayerCase) -> str:
    """Returns why a layer cannot be used here; nothing where it can."""
    return case.missing or case.cannot.get(backend(), "")


def _listed(what: Mapping[str, Any]) -> str:
    return "\n".join(f"{name}: {each}" for name, each in what.items())


def _outcome(cases: Sequence[LayerCase], check: Check) -> Any:
    try:
        return list(check(cases))
    except Exception as error:  # to be told with the layer's name
        return f"{type(error).__name__}: {error}"
