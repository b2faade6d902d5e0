"""What a checkpoint records of a model so that an equal one can be restored, for each Keras.

Both modules have the same three functions:

- `record` returns what the formats' own files do not tell about a model;
- `prepare` creates the variables of a model that Keras' loaders expect;
- `restore_extras` restores what Keras' loaders do not.
"""

from wk_checkpoint.state.model_state import keras_2, keras_3
from wk_core.compat.keras.flavour import choose

prepare = choose(keras_2=keras_2.prepare, keras_3=keras_3.prepare)
record = choose(keras_2=keras_2.record, keras_3=keras_3.record)
restore_extras = choose(keras_2=keras_2.restore_extras, keras_3=keras_3.restore_extras)

__all__ = ["prepare", "record", "restore_extras"]
