"""The detector on norms that are made up."""

import numpy as np
import pytest

from wk_metrics.divergence.detector import DivergenceDetector, WeightInfo
from wk_metrics.divergence.norms import StepNorms

pytestmark = pytest.mark.backend_free

WEIGHTS = [
    WeightInfo("first/kernel", "first", 16),
    WeightInfo("first/bias", "first", 4),
    WeightInfo("middle/kernel", "middle", 16),
    WeightInfo("last/kernel", "last", 4),
    WeightInfo("last/bias", "last", 1),
]
NAN, INF = np.nan, np.inf


def sane(steps=100, noise=0.3):
    random = np.random.default_rng(0)
    gradients = np.exp(noise * random.normal(size=(steps, len(WEIGHTS))))
    weights = 1 + np.cumsum(0.01 * random.random((steps, len(WEIGHTS))), axis=0)
    return gradients, weights


def found(gradients, weights, *, skipped=(), every=1, allowed=25):
    detector = DivergenceDetector(WEIGHTS, skips_allowed=allowed)
    for step in range(0, len(gradients), every):
        norms = StepNorms(step, gradients[step], weights[step], step in skipped)
        finding = detector.look(norms)
        if finding is not None:
            return finding
    return None


def test_sane_norms_are_no_finding():
    assert found(*sane(steps=1000, noise=1.5)) is None


@pytest.mark.parametrize("value", [NAN, INF])
def test_a_gradient_that_is_not_finite_from_the_loss_on_is_the_losss(value):
    gradients, weights = sane()
    gradients[40] = value
    finding = found(gradients, weights)
    assert (finding.step, finding.kind, finding.origin) == (40, "gradient not finite", "loss")
    assert (finding.layer, finding.weight) == ("last", "last/kernel")
    assert finding.value == value or np.isnan(finding.value)


def test_a_gradient_that_is_bad_behind_sane_ones_is_its_layers():
    gradients, weights = sane()
    gradients[40, :3] = NAN
    finding = found(gradients, weights)
    assert (finding.step, finding.origin, finding.weight) == (40, "layer", "middle/kernel")


def test_a_kernel_nearest_the_loss_that_explodes_beside_a_sane_bias_is_the_losss():
    gradients, weights = sane()
    gradients[40:, :4] = 1e6
    finding = found(gradients, weights)
    assert (finding.step, finding.kind, finding.origin) == (40, "gradient exploded", "loss")
    assert (finding.layer, finding.weight) == ("last", "last/kernel")


def test_a_weight_that_turns_bad_after_a_sane_gradient_is_the_updates():
    gradients, weights = sane()
    weights[40:, 2] = NAN
    gradients[40:] = NAN
    finding = found(gradients, weights)
    assert (finding.step, finding.since) == (39, 39)
    assert (finding.kind, finding.origin) == ("weight not finite", "update")
    assert finding.weight == "middle/kernel"


def test_what_happens_in_a_step_that_is_not_looked_at_is_said_so():
    gradients, weights = sane()
    gradients[41:] = NAN
    weights[42:] = NAN
    finding = found(gradients, weights, every=4)
    assert (finding.since, finding.step, finding.origin) == (40, 43, "unseen step")
    assert "between the batches 40 and 43" in finding.describe()


def test_weights_that_are_bad_before_the_first_step_were_so():
    gradients, weights = sane()
    weights[:, 0] = INF
    finding = found(gradients, weights)
    assert (finding.step, finding.since, finding.origin) == (0, None, "initial weights")


def test_a_spike_beyond_all_reason_is_an_explosion():
    gradients, weights = sane()
    gradients[40, :3] *= 1e8
    finding = found(gradients, weights)
    assert (finding.step, finding.kind) == (40, "gradient exploded")
    assert (finding.origin, finding.layer) == ("layer", "middle")
    assert finding.usual < 10 < finding.value


@pytest.mark.parametrize("factor", [3, 30, 300])
def test_a_spike_that_passes_is_sane(factor):
    gradients, weights = sane()
    gradients[[40, 60, 80]] *= factor
    assert found(gradients, weights) is None


def test_norms_that_stay_far_over_the_usual_are_an_explosion_from_where_that_began():
    gradients, weights = sane(noise=0.1)
    gradients[40:] *= 2000
    finding = found(gradients, weights)
    assert (finding.step, finding.kind, finding.origin) == (40, "gradient exploded", "loss")


def test_a_growth_step_by_step_does_not_become_usual():
    gradients, weights = sane(steps=400, noise=0.1)
    growth = 1.1 ** np.arange(400)[:, None]
    finding = found(gradients * growth, weights)
    assert finding is not None
    assert finding.kind == "gradient exploded"


def test_values_that_are_not_finite_after_an_explosion_are_its_own():
    gradients, weights = sane()
    weights[41:] *= 1e3  # from the update of step 40
    gradients[41] *= 1e3
    gradients[42:] = NAN
    finding = found(gradients, weights)
    assert (finding.step, finding.kind, finding.origin) == (40, "weight exploded", "update")


def test_weights_that_grow_while_gradients_fall_learn():
    gradients, weights = sane(steps=60)
    weights[:, -1] = np.minimum(np.arange(60) * 400.0, 8_000)
    gradients[:, -1] = 8_000 - weights[:, -1] + 0.01
    gradients[:, :-1] = gradients[:, -1:]
    assert found(gradients, weights) is None


def test_gradients_of_zero_say_nothing():
    gradients, weights = sane(noise=0.1)
    gradients[:60] = 0
    gradients[20::10] = 50
    assert found(gradients, weights) is None


def test_noise_before_the_first_signal_is_no_scale():
    gradients, weights = sane()
    gradients[:50] *= 1e-9
    assert found(gradients, weights) is None


def test_steps_that_loss_scaling_skips_are_no_fault_unless_they_are_many_in_a_row():
    gradients, weights = sane()
    skipped = {*range(10), *range(30, 100, 7)}
    gradients[sorted(skipped)] = INF
    assert found(gradients, weights, skipped=skipped) is None
    gradients[50:] = INF
    finding = found(gradients, weights, skipped=skipped | {*range(50, 100)}, allowed=20)
    assert (finding.step, finding.kind, finding.origin) == (70, "steps skipped", "loss scale")


def test_after_a_restart_the_last_steps_are_forgotten_and_the_usual_is_not():
    gradients, weights = sane()
    detector = DivergenceDetector(WEIGHTS)
    for step in range(40):
        assert detector.look(StepNorms(step, gradients[step], weights[step])) is None
    assert detector.look(StepNorms(40, gradients[40] * NAN, weights[40])) is not None
    detector.restart()
    assert detector.look(StepNorms(41, gradients[41], weights[41])) is None
    finding = detector.look(StepNorms(42, gradients[42] * 1e8, weights[42]))
    assert (finding.step, finding.kind) == (42, "gradient exploded")
