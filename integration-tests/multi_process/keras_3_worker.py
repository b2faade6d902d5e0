"""A worker of `MultiWorkerMirroredStrategy`, under Keras 3, which cannot train there."""

import warnings

import tensorflow as tf

from multi_process.training import X, Y, build
from wk_metrics import WandbMetricsLogger


def main() -> None:
    """Tries to train; tells what is said before it fails."""
    with tf.distribute.MultiWorkerMirroredStrategy().scope():
        model = build()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        logger = WandbMetricsLogger()
    for warning in caught:
        print("warned:", warning.message)
    try:
        model.fit(X, Y, verbose=0, callbacks=[logger])
    except ValueError as error:
        print("fit fails: ValueError, PerReplica:", "PerReplica" in str(error))


if __name__ == "__main__":
    main()
