"""What only looks at a training changes nothing: it ends as it does without, bit for bit."""

import pytest

from layers.catalog import GROUPS, LAYERS, STATELESS
from layers.groups import check_all
from layers.looking import LOOKERS, WITH_EVERY_LAYER
from layers.training import Training, differences, process_state
from wk_core.compat.keras.flavour import LEGACY, keras
from wk_core.compat.keras.graph import all_layers

pytestmark = [
    pytest.mark.skipif(LEGACY, reason="Keras 3's layers"),
    # Keras says that a mask ends in the flattened outputs, and that a wrapper has unbuilt layers.
    pytest.mark.filterwarnings("ignore:Layer 'flatten:UserWarning"),
    pytest.mark.filterwarnings("ignore:.build.. was called on layer:UserWarning"),
]

EPOCHS = 2


def end_of(cases, path, lookers):
    """Returns a training with callbacks that look, and all that it leaves behind."""
    training = Training(cases, 1)
    training.fit(EPOCHS, callbacks=[make(training, path) for make in lookers])
    return training, training.state() | process_state()


@pytest.mark.parametrize("group", GROUPS)
def test_nothing_changes(group, tmp_path):
    def check(cases):
        training, without = end_of(cases, tmp_path, [])
        _, with_all = end_of(cases, tmp_path, WITH_EVERY_LAYER)
        for case in cases:
            uses_what_it_is_named_after(case, training)
            assert group not in STATELESS or not training.layers[case.name].variables, case.name
        return differences(without, with_all)

    check_all(GROUPS[group], check)


def uses_what_it_is_named_after(case, training):
    used = {type(layer) for layer in all_layers(training.branches[case.name])}
    named = {getattr(keras.layers, part.rstrip(","), None) for part in case.name.split()} - {None}
    assert not named or named & used, case.name


SEVERAL = ("Dropout", "BatchNormalization", "LSTM with dropout", "a layer that counts its calls")


@pytest.mark.parametrize("looker", LOOKERS)
def test_each_callback_alone_changes_nothing(looker, tmp_path):
    def check(cases):
        _, without = end_of(cases, tmp_path, [])
        _, with_it = end_of(cases, tmp_path, [LOOKERS[looker]])
        return differences(without, with_it)

    check_all([case for case in LAYERS if case.name in SEVERAL], check)
