"""Keras 2; `v3` has the same modules and names."""

from wk_core.compat.keras.v2.basics import *  # noqa: F403
from wk_core.compat.keras.v2.graph import *  # noqa: F403
from wk_core.compat.keras.v2.random_numbers import *  # noqa: F403
from wk_core.compat.keras.v2.training import *  # noqa: F403
from wk_core.compat.keras.v2.variables import *  # noqa: F403
