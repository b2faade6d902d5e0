"""The formats of checkpoints. A path's ending, and whether weights alone are saved, choose one."""

from wk_checkpoint.formats.base import Format
from wk_checkpoint.formats.registry import format_for, format_of

__all__ = ["Format", "format_for", "format_of"]
