"""What is written below a picture."""

from typing import Any, Final

import numpy.typing as npt

from wk_eval.labels import class_names

_THRESHOLD: Final = 0.5


def text_labels(labels: Any) -> list[str] | None:
    """Returns the names of classes as text, in a list; None where there are none.

    Args:
        labels: The names, as `wk_eval.labels.class_names` takes them.

    Raises:
        ValueError: If two are the same, or if a number is left out.
    """
    return None if labels is None or len(labels) == 0 else class_names(labels)


def label_names(labels: list[str] | None, values: npt.NDArray[Any], what: str) -> list[str] | None:
    """Returns the names of classes, if they fit the values that they are for.

    Args:
        labels: The names; None for none.
        values: Shape (n,), (n, 1) or (n, classes).
        what: What the values are, for the error.

    Raises:
        ValueError: If there is not a name for each class; for one unit, if there are not two, false
            and true, and the values are no class numbers.
    """
    if labels is None:
        return None
    units = 1 if values.ndim == 1 else values.shape[-1]
    if units > 1:
        return class_names(labels, units)
    names = class_names(labels, len(labels))
    if len(names) == 2:
        return names
    if values.dtype.kind in "iu" and values.min() >= 0 and values.max() < len(names):
        return names
    raise ValueError(
        f"`labels` must be two, for false and true, where the {what} have one unit. Received: "
        f"labels={labels!r}"
    )


def captions(values: npt.NDArray[Any], names: list[str] | None) -> list[str]:
    """Returns a caption for each example.

    Args:
        values: Shape (n,) or (n, 1): a number, or how sure the model is that it is the second of
            two classes. Shape (n, classes): a score for each class.
        names: The names of the classes.
    """
    if values.ndim > 1 and values.shape[-1] > 1:
        best = values.reshape(len(values), -1).argmax(axis=-1).tolist()
        return [str(number) if names is None else names[number] for number in best]
    numbers = values.reshape(len(values)).tolist()
    if names is None:
        return [f"{each:.6g}" if isinstance(each, float) else str(each) for each in numbers]
    if len(names) == 2:
        return [names[int(number > _THRESHOLD)] for number in numbers]
    known = dict(enumerate(names))
    return [known.get(number, str(number)) for number in numbers]
