"""A training in two workers of Ray Train, one of which is killed and started again."""

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import keras
import ray
from ray.train.v2.api.config import FailureConfig, RunConfig, ScalingConfig
from ray.train.v2.jax import JaxConfig, JaxTrainer

from multi_process.training import EPOCHS, PROJECT, Share, begin_run, build, callbacks, keep
from wk_checkpoint import restore
from wk_core.process import this_process

KILLED_IN = 1  # the epoch in which a worker dies, of the first attempt
SENT_WITHIN = 4  # seconds; the client sends rows every second here


class Die(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Kills this process in the middle of an epoch, once in the life of a directory.

    The other process waits for this one's part of the next batch. Until then it has time to save
    its checkpoint and to send its rows: Ray may kill it, too, as soon as this one is dead.
    """

    def __init__(self, directory: Path, checkpoint: Path) -> None:
        super().__init__()
        self._note = directory / "died"
        self._checkpoint = checkpoint
        self._epoch = 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Notes the epoch."""
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Dies, if it has not before."""
        if self._epoch == KILLED_IN and batch == 2 and not self._note.exists():
            self._note.touch()
            while not self._checkpoint.exists():
                time.sleep(0.1)
            time.sleep(SENT_WITHIN)
            os.kill(os.getpid(), signal.SIGKILL)


def train_worker(config: dict[str, Any]) -> None:
    """Trains in one worker; goes on from the last checkpoint, if there is one."""
    directory, run_id = Path(config["directory"]), config["run_id"]
    keras.distribution.set_distribution(keras.distribution.DataParallel(auto_shard_dataset=False))
    place = directory / "model.keras"
    with begin_run(run_id, dir=directory, resume="allow"):
        model = build()
        several = callbacks(place)
        epoch = 0
        if place.exists():
            epoch = restore(model, place, callbacks=several).initial_epoch
        dying = [Die(directory, place)] if this_process().index == 1 else []
        model.fit(
            Share(),
            initial_epoch=epoch,
            epochs=EPOCHS,
            shuffle=False,
            verbose=0,
            callbacks=[*several, *dying],
        )
    keep(directory, f"{run_id}-end", model)


def main(directory: Path, run_id: str) -> None:
    """Has Ray train in two workers on this machine."""
    ray.init(address="local", num_cpus=2, include_dashboard=False)
    trainer = JaxTrainer(
        train_worker,
        train_loop_config={"directory": str(directory), "run_id": run_id},
        # Else Ray starts JAX' runtime on accelerators only.
        jax_config=JaxConfig(use_tpu=True),
        scaling_config=ScalingConfig(num_workers=2, resources_per_worker={"CPU": 1}),
        run_config=RunConfig(
            name=PROJECT,
            storage_path=str(directory / "ray"),
            failure_config=FailureConfig(max_failures=1),
        ),
    )
    trainer.fit()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
