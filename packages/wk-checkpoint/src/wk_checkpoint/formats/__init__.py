"""The formats that a checkpoint can have; a path's ending and the kind of content choose one."""

from wk_checkpoint.formats.base import Format
from wk_checkpoint.formats.registry import format_for, format_of

__all__ = ["Format", "format_for", "format_of"]
