"""Which examples are chosen, of all kinds of data."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from wk_eval.data.samples import draw_samples

pytestmark = pytest.mark.backend_free

X = np.arange(20).reshape(10, 2).astype("float32")
Y = np.arange(10)


class Batches(keras.utils.PyDataset):
    """Four batches of three or one."""

    def __len__(self):
        return 4

    def __getitem__(self, number):
        return X[3 * number : 3 * number + 3], Y[3 * number : 3 * number + 3]


def generator():
    for number in range(5):
        yield X[2 * number : 2 * number + 2], Y[2 * number : 2 * number + 2]


ITERABLES = {
    "tf.data": lambda: tf.data.Dataset.from_tensor_slices((X, Y)).batch(3),
    "endless tf.data": lambda: tf.data.Dataset.from_tensor_slices((X, Y)).batch(3).repeat(),
    "PyDataset": Batches,
    "generator": generator,
    "list": lambda: [(X[:3], Y[:3]), [X[3:], Y[3:]]],
    "with weights": lambda: [(X, Y, np.ones(10))],
}


@pytest.mark.parametrize("kind", ITERABLES)
def test_first_ones_of_an_iterable(kind):
    samples = draw_samples(ITERABLES[kind](), 7)
    assert samples.count == 7
    assert (samples.inputs == X[:7]).all()
    assert samples.targets.tolist() == list(range(7))


@pytest.mark.parametrize("kind", sorted(set(ITERABLES) - {"endless tf.data"}))
def test_all_of_an_iterable(kind):
    for number in (None, 100):
        samples = draw_samples(ITERABLES[kind](), number)
        assert samples.targets.tolist() == list(range(10))


@pytest.mark.parametrize(
    ("number", "chosen"),
    [(1, [0]), (3, [0, 3, 6]), (4, [0, 2, 5, 7]), (10, range(10)), (99, range(10))],
)
def test_arrays_at_equal_distances(number, chosen):
    samples = draw_samples((X, Y), number)
    assert samples.targets.tolist() == list(chosen)
    assert (samples.inputs == X[list(chosen)]).all()


def test_named_and_numbered_arrays():
    data = ({"a": X, "b": X + 1}, (Y, Y + 1))
    samples = draw_samples(data, 5)
    assert (samples.inputs["b"] == X[::2] + 1).all()
    assert samples.targets[1].tolist() == [1, 3, 5, 7, 9]
    assert set(samples.named_inputs()) == {"a", "b"}
    starts = [(start, set(batch)) for start, batch in samples.batches(3)]
    assert starts == [(0, {"a", "b"}), (3, {"a", "b"})]


def test_texts_are_decoded():
    dataset = tf.data.Dataset.from_tensor_slices((["ä", "b"], [0, 1])).batch(2)
    assert draw_samples(dataset, None).inputs.tolist() == ["ä", "b"]


def test_batches_of_other_lengths_are_padded():
    batches = [(np.ones((1, 2), int), np.ones((1, 2))), (np.ones((1, 3), int), np.ones((1, 3)))]
    samples = draw_samples(batches, None)
    assert samples.inputs.tolist() == [[1, 1, 0], [1, 1, 1]]
    assert samples.targets.tolist() == [[1, 1, -1], [1, 1, 1]]


def test_torch_data_loader():
    torch = pytest.importorskip("torch")
    data = torch.utils.data.TensorDataset(torch.tensor(X), torch.tensor(Y))
    samples = draw_samples(torch.utils.data.DataLoader(data, batch_size=4), 6)
    assert (samples.inputs == X[:6]).all()


@pytest.mark.parametrize(
    ("data", "error", "telling"),
    [
        ((X, Y[:9]), ValueError, r"the same number.*inputs=shape \(10, 2\).*targets=shape \(9,\)"),
        ((X,), TypeError, "must have inputs and targets.*1 values"),
        ((X[:0], Y[:0]), ValueError, "have no examples"),
        ([], ValueError, "have no examples"),
        ([X], TypeError, "yield such tuples, in batches. Received: ndarray"),
        (5, TypeError, "Received: int"),
        ({"x": X}, TypeError, "Received: dict"),
        ([(1.0, 2)], TypeError, "with a first axis"),
    ],
)
def test_what_is_no_data(data, error, telling):
    with pytest.raises(error, match=telling):
        draw_samples(data, 3)


class Endless(Batches):
    @property
    def num_batches(self):
        return None


def endless_filtered():
    return tf.data.Dataset.range(9).map(lambda n: (n, n)).batch(3).repeat().filter(lambda *_: True)


@pytest.mark.parametrize(
    "data",
    [ITERABLES["endless tf.data"](), Endless(), itertools.cycle([(X, Y)]), endless_filtered()],
    ids=["tf.data", "PyDataset", "cycle", "filtered"],
)
def test_all_of_endless_data(data):
    with pytest.raises(ValueError, match=r"come to an end.*`num_samples`"):
        draw_samples(data, None)
    assert draw_samples(data, 7).count == 7


def test_endless_data_that_do_not_say_so():
    many = np.zeros((300_000, 1), "int8")
    with pytest.raises(ValueError, match=r"come to an end.*generator, 1200000 examples so far"):
        draw_samples(((many, many) for _ in itertools.count()), None)


@pytest.mark.parametrize(
    "dataset",
    [
        tf.data.Dataset.from_tensor_slices((X, Y)).filter(lambda _, y: y < 10).batch(3),
        tf.data.Dataset.from_tensor_slices((X, Y)).repeat().take_while(lambda _, y: y < 9).batch(3),
    ],
)
def test_all_of_data_of_unknown_length(dataset):
    assert dataset.cardinality() == -2
    assert draw_samples(dataset, None).count in (9, 10)
