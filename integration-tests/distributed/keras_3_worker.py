"""A worker of `MultiWorkerMirroredStrategy`, under Keras 3, which cannot train there."""

import warnings

import keras
import tensorflow as tf

from distributed.training import X, Y, build
from wk_metrics import WandbMetricsLogger


def main() -> None:
    """Tries to train; says what was said before it failed."""
    with tf.distribute.MultiWorkerMirroredStrategy().scope():
        model = build()
    logger = WandbMetricsLogger(run=None)
    begun = keras.callbacks.LambdaCallback(on_train_begin=lambda _: print("training begins"))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            model.fit(X, Y, verbose=0, callbacks=[logger, begun])
        except ValueError as error:
            print("fit fails:", type(error).__name__, "PerReplica" in str(error))
    for warning in caught:
        if "MultiWorkerMirroredStrategy" in str(warning.message):
            print("warned:", warning.message)


if __name__ == "__main__":
    main()
