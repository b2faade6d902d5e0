"""Checkpoints as versions of one artifact of a run."""

from pathlib import Path
from typing import Final

import wandb

from wk_checkpoint.checkpoint import Checkpoint
from wk_checkpoint.formats import Format
from wk_checkpoint.retention import Retention
from wk_checkpoint.staging import Staged, left_over, stage
from wk_checkpoint.uploads import Uploads
from wk_core.artifacts import check_name, log_artifact, log_without_asking

__all__ = ["ARTIFACT_TYPE", "VersionLog", "artifact_name"]

ARTIFACT_TYPE: Final = "model"


def artifact_name(run: wandb.Run, given: str | None = None) -> str:
    """Returns the name of the artifact that a run's checkpoints are versions of.

    Raises:
        ValueError: If W&B refuses it.
    """
    return check_name(given or f"run_{run.id}_model", what="WandbModelCheckpoint: the artifact")


class VersionLog:
    """Logs checkpoints as versions of one artifact.

    Args:
        run: The run that they are outputs of.
        artifact: The artifact's name.
        retention: Which versions the server keeps; None keeps all.
    """

    def __init__(self, run: wandb.Run, artifact: str, retention: Retention | None) -> None:
        self._run = run
        self._artifact = artifact
        log_without_asking(run)
        self._uploads = None if run.offline else Uploads(run, retention)
        for staged in left_over(run, artifact):
            # What the server did not take from an earlier process of this run. Where it did, and
            # only the removal is missing, it knows the digest, and nothing is sent.
            if self._uploads is not None:
                self.log(staged)

    def stage(self, path: Path, name: str, checkpoint: Checkpoint, format: Format) -> Staged:  # noqa: A002
        """Keeps a finished checkpoint, whatever becomes of its path, until it is uploaded."""
        return stage(
            path,
            self._run,
            self._artifact,
            name=name,
            aliases=checkpoint.aliases,
            metadata=checkpoint.metadata(format),
        )

    def log(self, staged: Staged) -> None:
        """Logs what is kept.

        Raises:
            Exception: Why the server refused an earlier version.
        """
        version = log_artifact(
            self._run,
            name=self._artifact,
            type=ARTIFACT_TYPE,
            paths=[staged.path],
            aliases=staged.aliases,
            metadata=staged.metadata,
            copy=False,
        )
        if self._uploads is not None:
            self._uploads.follow(version, staged)
