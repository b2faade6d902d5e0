"""What the callback accepts, checked before anything is written."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from wk_checkpoint.step import check_template, placeholders

__all__ = ["check_choice", "check_filepath", "check_save_freq"]


def check_choice(name: str, value: Any, accepted: Collection[Any]) -> None:
    """Raises ValueError if an argument's value is none of those that are accepted."""
    if value not in accepted:
        raise ValueError(
            f"`{name}` must be one of {', '.join(map(repr, accepted))}. Received: {name}={value!r}"
        )


def check_save_freq(save_freq: Any) -> None:
    """Raises ValueError if a frequency is neither `"epoch"` nor a number of batches."""
    if save_freq == "epoch":
        return
    if isinstance(save_freq, bool) or not isinstance(save_freq, int) or save_freq < 1:
        raise ValueError(
            "`save_freq` must be 'epoch' or a whole number of batches, 1 or more. "
            f"Received: save_freq={save_freq!r}"
        )


def check_filepath(filepath: str, save_freq: Any) -> None:
    """Raises ValueError if a path names nothing, or has a placeholder that can never be filled."""
    if "\0" in filepath or Path(filepath).name in ("", ".."):
        raise ValueError(f"`filepath` must name a file or a directory. Received: {filepath!r}")
    try:
        check_template(filepath)
    except (ValueError, LookupError, AttributeError, TypeError) as error:
        raise ValueError(
            "`filepath` has a placeholder that can never be filled in. Accepted are {epoch}, "
            "{batch} and names of metrics, with a number's format, as in "
            f"'{{epoch:02d}}-{{val_loss:.2f}}.keras'. Received: filepath={filepath!r} ({error})"
        ) from error
    if save_freq == "epoch" and "batch" in placeholders(filepath):
        raise ValueError(
            "`filepath` has the placeholder {batch}, but at the end of an epoch there is no "
            f"batch: give `save_freq` a number of batches. Received: filepath={filepath!r}, "
            f"save_freq={save_freq!r}"
        )
