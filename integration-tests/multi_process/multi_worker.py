"""A worker of `MultiWorkerMirroredStrategy`, under Keras 2."""

import sys
from pathlib import Path
from typing import Any

import tensorflow as tf

from multi_process.training import BATCH, X, Y, begin_run, build, train
from wk_legacy import WandbCallback
from wk_metrics import WandbWeightLogger


def main(directory: Path, run_id: str) -> None:
    """Trains, with the others that `TF_CONFIG` names."""
    strategy = tf.distribute.MultiWorkerMirroredStrategy()

    def make_model() -> Any:
        with strategy.scope():
            model = build()
        # Else Keras 2 reports a batch's metrics once for each worker, added up.
        model.distribute_reduction_method = "first"
        return model

    def make_data() -> Any:
        options = tf.data.Options()
        options.experimental_distribute.auto_shard_policy = (
            tf.data.experimental.AutoShardPolicy.DATA
        )
        return tf.data.Dataset.from_tensor_slices((X, Y)).batch(BATCH).with_options(options)

    for part, weights_only in (("model", False), ("weights", True)):
        train(
            directory,
            f"{run_id}-{part}",
            f"{part}/{{epoch}}",
            make_model,
            make_data,
            save_weights_only=weights_only,
        )
    for kind in (WandbCallback, WandbWeightLogger):
        with begin_run(run_id, mode="disabled"):
            try:
                make_model().fit(make_data(), verbose=0, callbacks=[kind()])
            except ValueError as error:
                print(error)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
