"""Rows of everything that holds examples."""

import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import tensorflow as tf

from wk_eval.data.samples import draw_samples

pytestmark = pytest.mark.backend_free

DENSE = np.where(np.arange(30).reshape(10, 3) % 4 == 0, np.arange(30).reshape(10, 3), 0).astype(
    "float32"
)
Y = np.arange(10)


def in_a_file(tmp_path):
    file = h5py.File(tmp_path / "x.h5", "w")
    return file.create_dataset("x", data=DENSE)


def in_memory_map(tmp_path):
    np.save(tmp_path / "x.npy", DENSE)
    return np.load(tmp_path / "x.npy", mmap_mode="r")


def of_jax(tmp_path):
    del tmp_path
    return pytest.importorskip("jax.experimental.sparse").BCOO.fromdense(DENSE)


def of_torch(tmp_path):
    del tmp_path
    return pytest.importorskip("torch").tensor(DENSE, requires_grad=True)


def of_torch_sparse(tmp_path):
    del tmp_path
    return pytest.importorskip("torch").tensor(DENSE).to_sparse()


CONTAINERS = {
    "csr": lambda _: scipy.sparse.csr_matrix(DENSE),
    "coo": lambda _: scipy.sparse.coo_matrix(DENSE),
    "csc array": lambda _: scipy.sparse.csc_array(DENSE),
    "tf sparse": lambda _: tf.sparse.from_dense(DENSE),
    "tf ragged": lambda _: tf.RaggedTensor.from_tensor(DENSE),
    "jax": of_jax,
    "torch": of_torch,
    "torch sparse": of_torch_sparse,
    "frame": lambda _: pd.DataFrame(DENSE),
    "sparse frame": lambda _: pd.DataFrame(DENSE).astype(pd.SparseDtype("float32", 0.0)),
    "nullable frame": lambda _: pd.DataFrame(DENSE.astype(int)).astype("Int64"),
    "hdf5": in_a_file,
    "memory map": in_memory_map,
    "bfloat16": lambda _: tf.cast(DENSE, tf.bfloat16),
    "nested lists": lambda _: DENSE.tolist(),
}


@pytest.mark.parametrize("number", [4, None])
@pytest.mark.parametrize("kind", CONTAINERS)
def test_containers_are_looked_up_row_by_row(kind, number, tmp_path):
    chosen = [0, 2, 5, 7] if number else range(10)
    samples = draw_samples((CONTAINERS[kind](tmp_path), Y), number)
    assert type(samples.inputs) in (np.ndarray, np.memmap)
    assert samples.inputs.dtype.kind in "fi"
    assert samples.inputs.tolist() == DENSE[list(chosen)].tolist()
    assert samples.targets.tolist() == list(chosen)


class Large:
    """A matrix that does not fit into memory, but whose rows do."""

    def __init__(self):
        places = (np.arange(10), np.arange(10))
        self.matrix = scipy.sparse.csr_matrix((np.ones(10), places), (10_000_000, 10_000))


def test_only_chosen_rows_are_made_dense():
    matrix = Large().matrix
    samples = draw_samples((matrix, np.zeros(10_000_000, "int8")), 5)
    assert samples.inputs.shape == (5, 10_000)
    assert samples.inputs[0, 0] == 1


@pytest.mark.parametrize(
    ("targets", "wanted"),
    [
        (pd.Series(["a", "b"] * 5, index=range(5, 15)), ["a", "b"] * 5),
        (pd.Series([1, None] * 5, dtype="Int64"), [1.0, np.nan] * 5),
        (pd.Series([True, False] * 5, dtype="boolean"), [True, False] * 5),
        (list(Y), list(range(10))),  # numbers of NumPy's
        (tf.ragged.constant([[1], [2, 3]] * 5), [[1, -1], [2, 3]] * 5),
    ],
)
def test_targets_of_other_kinds(targets, wanted):
    found = draw_samples((DENSE, targets), None).targets.tolist()
    assert str(found) == str(wanted)


def test_lists_of_arrays_are_several_inputs():
    samples = draw_samples(([DENSE, {"b": scipy.sparse.csr_matrix(DENSE)}], Y), 5)
    assert (samples.inputs[1]["b"] == DENSE[::2]).all()


@pytest.mark.parametrize("kind", [object(), map(str, Y)])
def test_what_has_no_rows(kind):
    with pytest.raises(TypeError, match=type(kind).__name__):
        draw_samples((kind, Y), 3)
