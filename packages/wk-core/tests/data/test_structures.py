"""Which lists are several arrays, and which are one."""

import numpy as np
import pytest

from wk_core.data.structures import leaves, map_arrays, with_tuples

pytestmark = pytest.mark.backend_free

A, B = np.zeros((2, 3)), np.ones(2)


@pytest.mark.parametrize(
    ("arrays", "expected"),
    [
        (A, "f"),
        ([1, 2], "f"),
        ([[1, 2], (3, 4)], "f"),
        (list(np.arange(2)), "f"),  # NumPy's scalars have a shape, but no axis
        (["a", "b"], "f"),
        ([], "f"),
        (None, "f"),
        ([A, B], ["f", "f"]),
        ([A, [1, 2]], ["f", "f"]),
        ([[A], B], [["f"], "f"]),
        ([{"a": [1, 2]}], [{"a": "f"}]),
        ((A, None), ("f", "f")),
        (([1, 2], [3, 4]), ("f", "f")),
        ({"b": A, "a": (B, [A])}, {"b": "f", "a": ("f", ["f"])}),
    ],
)
def test_structure_is_kept(arrays, expected):
    mapped = map_arrays(lambda _: "f", arrays)
    assert mapped == expected
    assert len(list(leaves(arrays))) == str([expected]).count("'f'")


def test_order_is_kept():
    arrays = {"b": A, "a": [B, {"d": None, "c": [1, 2]}]}
    assert list(map_arrays(id, arrays)) == ["b", "a"]
    found = list(leaves(arrays))
    assert found[0] is A
    assert found[1] is B
    assert found[2:] == [None, [1, 2]]


def test_tuples_for_lists_of_arrays():
    replaced = with_tuples({"a": [A, [B, [1, 2]]], "b": [1, 2]})
    assert type(replaced["a"]) is tuple
    assert type(replaced["a"][1]) is tuple
    assert replaced["a"][1][1] == [1, 2]
    assert replaced["b"] == [1, 2]
