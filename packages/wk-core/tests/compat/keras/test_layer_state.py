"""Which variables a layer keeps from batch to batch."""

import keras
import pytest

from wk_core.compat.keras.layer_state import layer_states


class Keeps(keras.layers.Layer):
    def __init__(self, arrange):
        super().__init__()
        self.one, self.other = (self.add_weight(shape=shape) for shape in ((), (2,)))
        self.states = arrange(self.one, self.other)


@pytest.mark.parametrize(
    "arrange",
    [
        lambda one, other: (one, other),  # TensorFlow wraps tuples
        lambda one, other: [one, [other]],
        lambda one, other: [(one,), None, other],
    ],
)
def test_states_in_lists_and_tuples(arrange):
    layer = Keeps(arrange)
    found = layer_states(layer)
    assert [id(each) for each in found] == [id(layer.one), id(layer.other)]


def test_states_of_recurrent_layers():
    cells = [keras.layers.LSTMCell(2), keras.layers.GRUCell(2)]
    stateful = keras.layers.RNN(cells, stateful=True)
    assert layer_states(stateful) == []  # not built yet
    keras.Sequential([keras.Input(batch_shape=(2, 3, 4)), stateful])
    assert [tuple(each.shape) for each in layer_states(stateful)] == [(2, 2)] * 3
    assert layer_states(keras.layers.Bidirectional(keras.layers.LSTM(2))) == []
    assert layer_states(keras.layers.Dense(2)) == []
