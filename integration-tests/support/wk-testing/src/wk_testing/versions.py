"""What the installed versions can do: marks for tests that need more than every version has.

Each mark looks for the thing itself, and its reason names the version that brought it.
"""

import inspect
from collections.abc import Callable
from typing import Final

import pytest
import wandb
from wandb.sdk.lib import hashutil

_HAS_XXH128: Final = "digest_algorithm" in inspect.signature(wandb.Artifact).parameters

needs_xxh128: Final = pytest.mark.skipif(not _HAS_XXH128, reason="wandb 0.29 brought XXH128")
needs_finish_timeout: Final = pytest.mark.skipif(
    not hasattr(wandb.Settings(), "finish_timeout"), reason="wandb 0.27 brought `finish_timeout`"
)
needs_normalize: Final = pytest.mark.skipif(
    "normalize" not in inspect.signature(wandb.Image).parameters,
    reason="wandb 0.28 was the last whose images had `normalize`",
)

file_digest: Final[Callable[..., str]] = getattr(
    hashutil, "xxh128_file_b64" if _HAS_XXH128 else "md5_file_b64"
)
"""The digest by which the installed wandb tells a file of a checkpoint apart from others."""
