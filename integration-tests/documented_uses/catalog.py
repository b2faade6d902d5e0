"""All documented uses: importing this module lists them."""

from documented_uses import checkpoint, core, evaluation, failures, legacy, metrics, restoring
from documented_uses.use import USES

__all__ = ["MODULES", "USES"]

MODULES = (core, metrics, checkpoint, failures, restoring, evaluation, legacy)
"""The modules of uses."""
