"""Reads rows, as NumPy arrays, from anything with examples along its first axis.

Sparse and ragged matrices, data frames and datasets in files have a shape and a type, but are not
arrays. Their rows are chosen first, and only chosen rows become an array, which must fit into
memory.
"""

from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from wk_core.data.arrays import as_array

Array: TypeAlias = npt.NDArray[Any]
Rows: TypeAlias = slice | npt.NDArray[np.intp]

_ALL: Final = slice(None)
_ACCEPTED: Final = (
    "arrays and tensors, lists of numbers or text, pandas' and polars' data frames and series, "
    "`scipy.sparse` matrices, sparse and ragged tensors, HDF5 datasets and memory maps"
)


def is_container(value: Any) -> bool:
    """Returns whether a value has rows, and is neither an array nor a list."""
    return not isinstance(value, (np.ndarray, list, tuple)) and any(
        known(value) for known, _ in _KINDS
    )


def is_sparse_or_ragged(value: Any) -> bool:
    """Returns whether a value is a sparse or ragged matrix, which a model may take as it is."""
    kinds = (_is_scipy_sparse, _is_ragged, _is_tensorflow_sparse, _is_jax_sparse, _is_torch_sparse)
    return not isinstance(value, np.ndarray) and any(known(value) for known in kinds)


def count_rows(value: Any) -> int:
    """Returns the number of rows.

    Raises:
        TypeError: If the value has no first axis.
    """
    if _is_ragged(value):
        return int(value.nrows())
    shape: Any = getattr(value, "shape", None)
    if shape is None:
        try:
            return len(value)
        except TypeError:
            shape = []
    if not len(shape):
        raise TypeError(
            "Data to evaluate must be batches, with a first axis. Received: "
            f"{type(value).__name__} {value!r:.80}"
        )
    return int(shape[0])


def take_rows(value: Any, rows: Rows = _ALL, fill: int = 0) -> Array:
    """Returns rows as an array.

    Args:
        value: What to read from.
        rows: The rows: a slice, or indices in ascending order. Defaults to all.
        fill: The padding of rows of unequal length.

    Raises:
        TypeError: If the value is of a kind that is not supported.
    """
    if isinstance(value, (np.ndarray, list, tuple)):
        return as_array(as_array(value)[rows])
    for known, take in _KINDS:
        if known(value):
            return as_array(take(value, rows, fill))
    array = as_array(value)
    if array.dtype == object and array.ndim == 0:
        raise TypeError(
            f"Data to evaluate must be {_ACCEPTED}. Received: {_kind(value)}, which is none"
        )
    return as_array(array[rows])


def _kind(value: Any) -> str:
    return f"{type(value).__module__.partition('.')[0]}'s {type(value).__name__}"


def _numbers(rows: Rows, count: int) -> npt.NDArray[np.intp]:
    return np.arange(count)[rows]


def _is_scipy_sparse(value: Any) -> bool:
    return callable(getattr(value, "tocsr", None)) and callable(getattr(value, "toarray", None))


def _from_scipy_sparse(value: Any, rows: Rows, fill: int) -> Any:  # noqa: ARG001
    compressed = value.tocsr() if value.ndim == 2 else value
    return compressed[rows].toarray() if value.ndim == 2 else value.toarray()[rows]


def _is_ragged(value: Any) -> bool:
    return callable(getattr(value, "nrows", None)) and callable(getattr(value, "to_tensor", None))


def _from_ragged(value: Any, rows: Rows, fill: int) -> Any:
    lists = [value[int(number)] for number in _numbers(rows, count_rows(value))]
    arrays = [each.to_tensor(default_value=fill) if _is_ragged(each) else each for each in lists]
    return _filled_up([np.asarray(each) for each in arrays], fill)


def _filled_up(arrays: list[Array], fill: int) -> Array:
    if not arrays:
        return np.empty((0, 0))
    shape = [max(sizes) for sizes in zip(*(array.shape for array in arrays), strict=True)]
    kind = arrays[0].dtype
    text = kind.kind in "OS"
    filled = np.full((len(arrays), *shape), b"" if text else fill, object if text else kind)
    for row, array in zip(filled, arrays, strict=True):
        row[tuple(map(slice, array.shape))] = array
    return filled


def _is_tensorflow_sparse(value: Any) -> bool:
    return all(hasattr(value, name) for name in ("indices", "values", "dense_shape"))


def _from_tensorflow_sparse(value: Any, rows: Rows, fill: int) -> Array:  # noqa: ARG001
    places, values, shape = map(as_array, (value.indices, value.values, value.dense_shape))
    return _from_coordinates(places, values, shape, rows)


def _is_jax_sparse(value: Any) -> bool:
    return callable(getattr(value, "todense", None)) and hasattr(value, "n_batch")


def _from_jax_sparse(value: Any, rows: Rows, fill: int) -> Any:  # noqa: ARG001
    if value.n_batch or value.n_dense or not hasattr(value, "indices"):
        return as_array(value.todense())[rows]
    return _from_coordinates(as_array(value.indices), as_array(value.data), value.shape, rows)


def _from_coordinates(places: Array, values: Array, shape: Any, rows: Rows) -> Array:
    """Returns rows of a sparse matrix in coordinate format.

    Args:
        places: Shape (values, axes): the coordinates of each value.
        values: Shape (values,). Values with the same coordinates add up.
        shape: The shape of the matrix.
        rows: The rows.
    """
    count, *others = (int(size) for size in shape)
    chosen = _numbers(rows, count)
    at = np.full(count + 1, -1)  # JAX pads with places beyond the end
    at[chosen] = np.arange(len(chosen))
    row = at[np.minimum(places[:, 0], count)]
    used = row >= 0
    text = values.dtype.kind in "OS"
    dense = np.full((len(chosen), *others), b"", object) if text else _zeros(chosen, others, values)
    where = (row[used], *places[used, 1:].T)
    if text or values.dtype == bool:
        dense[where] = values[used]
    else:
        np.add.at(dense, where, values[used])
    return dense


def _zeros(chosen: Array, others: list[int], values: Array) -> Array:
    return np.zeros((len(chosen), *others), values.dtype)


def _is_torch_sparse(value: Any) -> bool:
    layout = str(getattr(value, "layout", "")) if hasattr(value, "detach") else ""
    return "sparse" in layout or "jagged" in layout or bool(getattr(value, "is_nested", False))


def _from_torch_sparse(value: Any, rows: Rows, fill: int) -> Any:
    value = value.detach()
    if getattr(value, "is_nested", False):
        return as_array(value.to_padded_tensor(fill))[rows]
    if "coo" in str(value.layout):
        value = value.cpu().coalesce()
        return _from_coordinates(
            as_array(value.indices()).T, as_array(value.values()), value.shape, rows
        )
    return as_array(value.to_dense())[rows]


def _is_pandas(value: Any) -> bool:
    return hasattr(value, "iloc") and callable(getattr(value, "to_numpy", None))


def _from_pandas(value: Any, rows: Rows, fill: int) -> Any:  # noqa: ARG001
    chosen = value.iloc[rows]
    kinds = {each.kind for each in np.atleast_1d(np.asarray(_types(chosen), object))}
    if chosen.to_numpy().dtype != object or not kinds <= set("biuf"):
        return chosen.to_numpy()
    # Numbers that may be missing are objects to NumPy.
    whole = "f" not in kinds and not bool(np.any(chosen.isna().to_numpy()))
    return chosen.to_numpy(dtype=np.int64) if whole else chosen.to_numpy(float, na_value=np.nan)


def _types(value: Any) -> Any:
    return list(value.dtypes) if value.ndim == 2 else [value.dtype]


def _is_frame(value: Any) -> bool:
    return callable(getattr(value, "to_numpy", None)) and hasattr(value, "shape")


def _from_frame(value: Any, rows: Rows, fill: int) -> Any:  # noqa: ARG001
    return value[rows].to_numpy()


def _is_in_a_file(value: Any) -> bool:
    """Returns whether a value reads its rows on access, as datasets of HDF5 and Zarr do."""
    return hasattr(value, "chunks") and hasattr(value, "shape") and hasattr(value, "dtype")


def _from_file(value: Any, rows: Rows, fill: int) -> Any:  # noqa: ARG001
    return np.asarray(value[rows])


_KINDS: Final = (
    (_is_scipy_sparse, _from_scipy_sparse),
    (_is_ragged, _from_ragged),
    (_is_tensorflow_sparse, _from_tensorflow_sparse),
    (_is_jax_sparse, _from_jax_sparse),
    (_is_torch_sparse, _from_torch_sparse),
    (_is_pandas, _from_pandas),
    (_is_in_a_file, _from_file),
    (_is_frame, _from_frame),
)
