"""Reads back the histograms in a row of a run."""

from collections.abc import Mapping
from typing import Any


def logged_histograms(row: Mapping[str, Any]) -> dict[str, tuple[list[int], list[float]]]:
    """Returns the counts and the edges of a row's histograms, by their keys."""
    keys = [key.removesuffix("/bins") for key in row if key.endswith("/bins")]
    return {key: (row[f"{key}/values"], row[f"{key}/bins"]) for key in keys}
