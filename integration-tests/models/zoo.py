"""All examples, by name."""

import importlib

from models.example import EXAMPLES, Example

__all__ = ["EXAMPLES", "Example"]

for _module in ("generative", "adapters", "similarity", "text", "others"):
    importlib.import_module(f"models.{_module}")
