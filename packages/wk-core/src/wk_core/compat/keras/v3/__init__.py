"""Keras 3; `v2` has the same modules and names."""

from wk_core.compat.keras.v3.basics import *  # noqa: F403
from wk_core.compat.keras.v3.graph import *  # noqa: F403
from wk_core.compat.keras.v3.random_numbers import *  # noqa: F403
from wk_core.compat.keras.v3.training import *  # noqa: F403
from wk_core.compat.keras.v3.variables import *  # noqa: F403
