import keras
import pytest

from divergence import faults  # noqa: F401  # fills the list
from divergence.training import FAULTS
from wk_core.compat.keras.flavour import backend
from wk_metrics import WandbDivergenceGuard

HERE = {name: fault for name, fault in FAULTS.items() if backend() in fault.backends}


def test_there_are_twenty_faults():
    assert len(HERE) >= 20


@pytest.mark.parametrize("name", HERE)
def test_a_fault_is_named(name, offline_run):
    fault = HERE[name]
    run = offline_run()
    keras.utils.set_random_seed(7)
    fault.make().train(WandbDivergenceGuard(norms_every=1))
    found = {key: run.summary[f"divergence/{key}"] for key in ("kind", "origin", "layer", "step")}
    assert (found["kind"], found["origin"]) == (fault.kind, fault.origin)
    assert fault.layer in (None, found["layer"])
    assert found["step"] in fault.steps
    assert run.summary["divergence/weight"].startswith(found["layer"])
