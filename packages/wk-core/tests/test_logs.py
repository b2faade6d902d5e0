"""Which values of Keras' logs are numbers, and which."""

import math
from decimal import Decimal
from fractions import Fraction

import keras
import ml_dtypes
import numpy as np
import pytest

from wk_core.logs import NumberFilter, as_number, numbers_in


def tensor(value, dtype="float32"):
    return keras.ops.convert_to_tensor(value, dtype)


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (3, 3),
        (0.5, 0.5),
        (True, True),
        (2**60 + 1, 2**60 + 1),
        (np.float32(0.5), 0.5),
        (np.int64(2**60 + 1), 2**60 + 1),
        (np.array([[0.5]]), 0.5),
        (np.array(0.5, ml_dtypes.bfloat16), 0.5),
        (Decimal("0.5"), 0.5),
        (Fraction(1, 2), 0.5),
        ("3", None),
        (b"3", None),
        (None, None),
        ([0.5], None),
        (1j, None),
        (np.array("3"), None),
        (np.array([0.5, 0.5]), None),
        (np.array([]), None),
        (np.array(1j), None),
    ],
    ids=repr,
)
def test_numbers(value, number):
    assert as_number(value) == number
    assert type(as_number(value)) is type(number)
    assert numbers_in({"a": value}) == ({} if number is None else {"a": number})


def test_what_is_not_finite_is_a_number():
    assert math.isnan(as_number(np.float32("nan")))
    assert as_number(tensor(float("inf"))) == math.inf


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "int32"])
def test_tensors_and_variables_of_the_backend(dtype):
    assert as_number(tensor(2, dtype)) == 2
    assert as_number(tensor([[2]], dtype)) == 2
    assert as_number(tensor([2, 2], dtype)) is None
    assert as_number(keras.Variable(2, dtype=dtype, trainable=False)) == 2


def test_tensors_of_pytorch_that_need_gradients():
    torch = pytest.importorskip("torch")
    assert as_number(torch.tensor(0.5, requires_grad=True)) == 0.5
    assert as_number(torch.tensor(0.5, dtype=torch.bfloat16)) == 0.5


def test_what_is_left_out_is_named_once():
    numbers = NumberFilter("MyCallback")
    with pytest.warns(UserWarning, match=r"^MyCallback logs numbers; it leaves out 'a', .*str\.$"):
        assert numbers({"a": "3", "b": 3}) == {"b": 3}
    assert numbers({"a": "3", "b": 4}) == {"b": 4}
