"""The formats that a checkpoint can have; a path's ending and the kind of content choose one."""

from wk_checkpoint.formats.choice import format_for, format_of
from wk_checkpoint.formats.format import Format

__all__ = ["Format", "format_for", "format_of"]
