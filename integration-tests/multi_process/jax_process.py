"""A process of JAX' own runtime, under Keras 3."""

import sys
import warnings
from pathlib import Path
from typing import Any

import jax
import keras
import numpy as np
import wandb

from multi_process.training import (
    BATCH,
    PROJECT,
    Share,
    X,
    Y,
    begin_run,
    build,
    keep,
    look_at_gradients,
    train,
)
from wk_checkpoint import WandbModelCheckpoint, restore
from wk_core.compat.keras.sharding import gather, is_sharded
from wk_core.distribution import check_distribution
from wk_core.process import shared_settings
from wk_metrics import WandbMetricsLogger


def main(directory: Path, run_id: str, coordinator: str, index: int) -> None:
    """Trains as one of two."""
    jax.config.update("jax_cpu_collectives_implementation", "gloo")  # type: ignore[no-untyped-call]
    jax.distributed.initialize(coordinator, 2, index)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check_distribution()
    print("warned:", *(warning.message for warning in caught))
    keras.distribution.set_distribution(keras.distribution.DataParallel(auto_shard_dataset=False))
    train(directory, run_id, "epoch-{epoch}.keras", build, Share)
    report_from_all(f"{run_id}-shared")
    with begin_run(f"{run_id}-gradients"):
        look_at_gradients(Share())
    restore_from_the_server(directory, run_id)
    train_split(directory, f"{run_id}-split")


def report_from_all(run_id: str) -> None:
    """Trains with every process reporting to one run."""
    with wandb.init(project=PROJECT, id=run_id, settings=shared_settings()):
        logger = WandbMetricsLogger(report_from="all")
        build().fit(Share(), epochs=2, verbose=0, callbacks=[logger])


def restore_from_the_server(directory: Path, run_id: str) -> None:
    """Restores the last checkpoint in every process, whether it has a run or not."""
    model = build()
    name = f"{wandb.Api().default_entity}/{PROJECT}/run_{run_id}_model:latest"
    with begin_run(run_id, resume="must"):
        restore(model, name)
    keep(directory, f"{run_id}-downloaded", model)


def train_split(directory: Path, run_id: str) -> None:
    """Trains a model of which each process has a part, and restores it."""
    mesh = keras.distribution.DeviceMesh(
        (1, 2), ("batch", "model"), keras.distribution.list_devices()
    )
    layout = keras.distribution.LayoutMap(mesh)
    layout[".*dense.*/kernel"] = layout[".*hidden/kernel"] = (None, "model")
    keras.distribution.set_distribution(
        keras.distribution.ModelParallel(
            layout_map=layout, batch_dim_name="batch", auto_shard_dataset=False
        )
    )
    with begin_run(f"{run_id}-gradients"):
        look_at_gradients(X, Y, batch_size=BATCH)
    paths = [directory / run_id / name for name in ("model.keras", "model.h5")]
    model = wide_model()
    with begin_run(run_id, dir=directory):
        savers = [WandbModelCheckpoint(path, "loss", artifact=path.suffix[1:]) for path in paths]
        # A batch that is not divided: each process has all of it.
        model.fit(X, np.tile(Y, 2), epochs=2, shuffle=False, verbose=0, callbacks=savers)
        try:
            skipping = WandbModelCheckpoint(paths[0], when_busy="skip")
            model.fit(X, np.tile(Y, 2), verbose=0, callbacks=[skipping])
        except ValueError as error:
            print(error)
    for path in paths:
        again = wide_model()
        restore(again, path)
        for one, other in zip(everything(again), everything(model), strict=True):
            np.testing.assert_array_equal(one, other)


def wide_model() -> Any:
    """Returns a model whose kernels can be divided by two."""
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(2)]
    )
    model.compile("adam", "mse")
    assert is_sharded(model)
    return model


def everything(model: Any) -> list[np.ndarray]:
    """Returns all of a model's values, which the processes put together."""
    variables = [*model.weights, *model.optimizer.variables]
    return [np.asarray(gather(variable.value)) for variable in variables]


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]))
