"""Errors of arguments say what is wrong, what is accepted and what was received."""

import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest

from wk_core.arguments import (
    check_choice,
    check_positive_number,
    check_whole_number,
    is_whole_number,
)

pytestmark = pytest.mark.backend_free


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3), np.arange(4)[3]])
def test_whole_numbers_become_int(value):
    assert is_whole_number(value)
    checked = check_whole_number(value, "every", of="epochs")
    assert checked == 3
    assert type(checked) is int


@pytest.mark.parametrize(
    "value",
    [True, np.True_, 3.0, np.float32(3), np.array(3), np.array([3]), "3", None, Fraction(3)],
)
def test_everything_else_is_no_whole_number(value):
    assert not is_whole_number(value)
    with pytest.raises(ValueError, match="must be a whole number of epochs, 1 or more") as raised:
        check_whole_number(value, "every", of="epochs")
    assert str(raised.value).endswith(f". Received: every={value!r}")


def test_the_least_whole_number():
    assert check_whole_number(0, "best", least=0) == 0
    with pytest.raises(ValueError, match=r"^`best` must be a whole number, 0 or more\. Rec.*=-1$"):
        check_whole_number(-1, "best", least=0)
    with pytest.raises(ValueError, match=r"^`last` must be a whole number, 1 or more\. Rec.*=0$"):
        check_whole_number(0, "last")


def test_what_is_accepted_besides_a_whole_number():
    with pytest.raises(ValueError, match=r"1 or more, or None for all\. Received: count=0$"):
        check_whole_number(0, "count", or_else="None for all")


@pytest.mark.parametrize("value", [2, 2.0, np.float32(2), np.int8(2), Fraction(2)])
def test_positive_numbers_become_float(value):
    checked = check_positive_number(value, "timeout", of="seconds")
    assert checked == 2.0
    assert type(checked) is float


@pytest.mark.parametrize("value", [True, 0, -0.5, float("nan"), "2", None, np.ones(1)])
def test_everything_else_is_no_positive_number(value):
    with pytest.raises(ValueError, match=r"`timeout` must be a positive number of seconds\. Rec"):
        check_positive_number(value, "timeout", of="seconds")


def test_choices():
    words = ("auto", "min", "max")
    assert check_choice("min", "mode", words) == "min"
    assert type(check_choice(np.str_("min"), "mode", words)) is str


@pytest.mark.parametrize("value", ["best", None, 1, ["min"], np.array(["min", "max"])])
def test_everything_else_is_no_choice(value):
    with pytest.raises(ValueError, match="`mode` must be 'auto', 'min' or 'max'") as raised:
        check_choice(value, "mode", ("auto", "min", "max"))
    assert str(raised.value).endswith(f". Received: mode={value!r}")
    with pytest.raises(ValueError, match=r"`mode` must be 'a' or 'b', or None to infer it\. Rec"):
        check_choice(value, "mode", ("a", "b"), or_else="None to infer it")


def test_the_checks_import_no_other_package():
    # Worker processes of a data loader need them.
    heavy = "{'keras', 'numpy', 'wandb'}"
    code = f"import sys, wk_core.arguments; assert not {heavy} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
