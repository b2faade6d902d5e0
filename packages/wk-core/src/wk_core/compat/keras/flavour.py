"""Which Keras this process uses, decided once; what the two name differently has one name here.

Keras 3 on any backend, unless `TF_USE_LEGACY_KERAS=1` makes `tf.keras` mean Keras 2, which is
`tf_keras`. A callback of one flavour does not work in a `fit` of the other, so every wk callback
takes its base class from here. `v2` and `v3` define the same names; their functions are documented
in `v3`.
"""

import os
from typing import Final, TypeVar

LEGACY: Final = os.environ.get("TF_USE_LEGACY_KERAS", "").strip().lower() in ("1", "true")
"""Whether this process uses Keras 2."""

if LEGACY:
    from wk_core.compat.keras.v2 import *  # noqa: F403  the same names as v3's
else:
    from wk_core.compat.keras.v3 import *  # noqa: F403

Choice = TypeVar("Choice")


def choose(*, keras_2: Choice, keras_3: Choice) -> Choice:
    """Returns what belongs to the Keras of this process."""
    return keras_2 if LEGACY else keras_3
