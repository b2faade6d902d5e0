"""Names of classes in every form."""

import collections

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from wk_eval.data.labels import class_names

pytestmark = pytest.mark.backend_free

NAMES = {
    "text of NumPy": np.array(["a", "b"]),
    "numbers": [0, 1.5],
    "range": range(2),
    "index": pd.Index(["a", "b"]),
    "series": pd.Series(["a", "b"], index=[5, 6]),
    "by number": {1: "b", 0: "a"},
    "numbers by name": {"b": 1, "a": 0},
    "tensor": tf.constant(["a", "b"]),
    "bytes": [b"a", b"b"],
    "deque": collections.deque("ab"),
    "truth": [False, True],
    "numbers of NumPy": {np.int64(0): "a", np.int64(1): "b"},
}


@pytest.mark.parametrize("kind", NAMES)
def test_names_of_classes_are_text(kind):
    wanted = {"numbers": ["0", "1.5"], "range": ["0", "1"], "truth": ["False", "True"]}
    assert class_names(NAMES[kind], 2) == wanted.get(kind, ["a", "b"])
    assert class_names(NAMES[kind]) == class_names(NAMES[kind], 2)


@pytest.mark.parametrize(
    ("labels", "telling"),
    [
        (["a", "a"], "'a' more than once"),
        (np.array([1, 1]), "'1' more than once"),
        (["a"], r"each of the 2 classes.*\['a'\]"),
        ("ab", "'ab'"),
        ({"a", "b"}, "in a list, an array or by number"),
        ({0: "a", 2: "b"}, "by number"),
        (5, "labels=5"),
        (np.zeros((2, 2)), "labels=array"),
    ],
)
def test_what_are_no_names(labels, telling):
    with pytest.raises(ValueError, match=telling):
        class_names(labels, 2)
