import keras
import pytest
import wandb

from divergence import healthy  # noqa: F401  # fills the list
from divergence.training import HEALTHY
from wk_metrics import WandbDivergenceGuard


def test_there_are_twenty_sane_trainings():
    assert len(HEALTHY) >= 20


@pytest.mark.parametrize("name", HEALTHY)
def test_a_sane_training_raises_no_alarm(name, offline_run, monkeypatch):
    said = []
    monkeypatch.setattr(wandb, "termwarn", lambda text, **_: said.append(text))
    run = offline_run()
    keras.utils.set_random_seed(7)
    HEALTHY[name]().train(WandbDivergenceGuard(norms_every=1))
    assert "divergence/step" not in run.summary.keys()  # noqa: SIM118  # no dictionary
    assert said == []  # not even that it cannot look
