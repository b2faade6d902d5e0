"""Tokens as text."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Vocabulary: TypeAlias = Sequence[str] | Callable[[Any], Sequence[str] | str]
"""A list of tokens, or a function from an array of token numbers to text."""


def token_texts(example: npt.NDArray[Any], vocabulary: Vocabulary | None) -> list[str]:
    """Returns the tokens of an example as text, without the padding at the end.

    Args:
        example: Shape (tokens,): token numbers, with 0 at the end as padding, or text.
        vocabulary: The tokens; None to show the numbers.

    Raises:
        ValueError: If a number is not in the vocabulary.
    """
    if example.dtype.kind in "OUS":
        return [str(token) for token in example]
    used = np.flatnonzero(example)
    tokens = example[: int(used[-1]) + 1 if used.size else 0]
    if vocabulary is None:
        return [str(token) for token in tokens.tolist()]
    if callable(vocabulary):
        text = vocabulary(tokens)
        return [text] if isinstance(text, str) else list(text)
    numbers = [int(token) for token in tokens]
    if any(not 0 <= number < len(vocabulary) for number in numbers):
        raise ValueError(
            f"`vocabulary` has {len(vocabulary)} tokens. Received: inputs with the numbers "
            f"{min(numbers)} to {max(numbers)}"
        )
    return [vocabulary[number] for number in numbers]
