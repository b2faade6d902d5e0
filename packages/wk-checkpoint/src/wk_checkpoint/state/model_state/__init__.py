"""What a checkpoint records of a model so that an equal one can be restored, for each Keras.

Both modules have the same three functions:

- `record` returns what the formats' own files do not tell about a model;
- `prepare` creates the variables of a model that Keras' loaders expect;
- `restore_extras` restores what Keras' loaders do not.
"""

from wk_core.compat.keras.flavour import LEGACY

if LEGACY:
    from wk_checkpoint.state.model_state.keras_2 import prepare, record, restore_extras
else:
    from wk_checkpoint.state.model_state.keras_3 import prepare, record, restore_extras

__all__ = ["prepare", "record", "restore_extras"]
