"""A process of JAX' own runtime, under Keras 3."""

import sys
from pathlib import Path

import jax
import keras
import wandb

from distributed.training import PROJECT, Share, begin_run, build, keep, train
from wk_checkpoint import restore
from wk_core.process import shared_settings
from wk_metrics import WandbMetricsLogger


def main(directory: Path, run_id: str, coordinator: str, index: int) -> None:
    """Trains as one of two."""
    jax.distributed.initialize(coordinator, 2, index)
    keras.distribution.set_distribution(keras.distribution.DataParallel(auto_shard_dataset=False))
    train(directory, run_id, "epoch-{epoch}.keras", build, Share)
    report_from_all(f"{run_id}-shared")
    restore_from_the_server(directory, run_id)


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


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]))
