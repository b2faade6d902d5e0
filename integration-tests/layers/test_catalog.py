"""The tables know every layer, optimizer and metric of Keras."""

import inspect

import pytest

from layers.catalog import LAYERS, METRICS, NOT_USED, OPTIMIZERS
from layers.earlier import EARLIER
from wk_core.compat.keras.flavour import LEGACY, keras

pytestmark = pytest.mark.skipif(LEGACY, reason="Keras 3's layers")

ADD = (
    "Keras has public classes that no test here uses: {missing}. Add a use of each to the tables "
    "of integration-tests/layers/catalog, or say in NOT_USED why there is none."
)


def public(module, base):
    """Returns the names of each class, since some have several."""
    names = {}
    for name, one in inspect.getmembers(module, inspect.isclass):
        if issubclass(one, base):
            names.setdefault(one, set()).add(name)
    return list(names.values())


def unknown(classes, table):
    known = {part.rstrip(",") for case in table for part in str(case).split()} | set(NOT_USED)
    return sorted(min(names) for names in classes if not names & known)


def test_every_layer_is_used():
    missing = unknown(public(keras.layers, keras.layers.Layer), LAYERS)
    assert not missing, ADD.format(missing=missing)


def test_every_optimizer_is_used():
    missing = unknown(public(keras.optimizers, keras.optimizers.Optimizer), OPTIMIZERS)
    assert not missing, ADD.format(missing=missing)


def test_every_metric_is_used():
    missing = unknown(public(keras.metrics, keras.metrics.Metric), METRICS)
    assert not missing, ADD.format(missing=missing)


def test_a_class_that_no_table_knows_is_found():
    assert unknown([{"Unheard"}, {"Dense"}, {"MaxPool1D", "MaxPooling1D"}], LAYERS) == ["Unheard"]


def test_what_is_not_used_exists():
    for name in NOT_USED:
        assert any(hasattr(one, name) for one in (keras.layers, keras.optimizers, keras.metrics))


@pytest.mark.skipif(EARLIER, reason="an earlier version of Keras lacks some of them")
def test_no_use_is_left_out_for_what_keras_lacks():
    cases = (*LAYERS, *OPTIMIZERS)
    assert not {case.name: case.missing for case in cases if case.missing}


def test_names_are_unique():
    for table in (LAYERS, OPTIMIZERS, METRICS):
        names = [case.name for case in table]
        assert sorted(set(names)) == sorted(names)
