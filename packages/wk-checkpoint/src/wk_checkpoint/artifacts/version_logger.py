"""Checkpoints as versions of one artifact of a run."""

from dataclasses import replace
from pathlib import Path

import wandb

from wk_checkpoint.artifacts.best_version import best_version_of
from wk_checkpoint.artifacts.staging import Staged, left_over, stage
from wk_checkpoint.artifacts.uploads import Uploads
from wk_checkpoint.checkpoint import ARTIFACT_TYPE, Checkpoint
from wk_checkpoint.formats import Format
from wk_checkpoint.retention import Retention
from wk_core.artifacts import log_artifact, log_without_asking

__all__ = ["VersionLog"]


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
        self._finished_was_said = False
        self._best = best_version_of(run, artifact)
        log_without_asking(run)
        self._uploads = None if run.offline else Uploads(run, retention)
        for staged in left_over(run, artifact):
            # What the server did not take from an earlier process of this run. Where it did, and
            # only the removal is missing, it knows the digest, and nothing is sent.
            if self._uploads is not None:
                self.log(staged)

    def look_up_best(self, *, is_shared: bool) -> None:
        """Finds out which version is the best so far, where others have logged some.

        Args:
            is_shared: Whether other runs may log versions of the artifact, too.
        """
        self._best.look_up(self._run, self._artifact, is_shared=is_shared)

    def ranked(self, checkpoint: Checkpoint) -> Checkpoint:
        """Returns a checkpoint that knows whether it is better than all versions before it."""
        is_best = self._best.improves(checkpoint.monitor, checkpoint.judgement)
        return replace(checkpoint, is_best=is_best)

    def stage(self, path: Path, name: str, checkpoint: Checkpoint, format: Format) -> Staged:  # noqa: A002
        """Keeps a finished checkpoint, whatever becomes of its path, until it is uploaded."""
        return stage(
            path,
            self._run,
            self._artifact,
            name=name,
            aliases=checkpoint.aliases,
            metadata={**checkpoint.metadata(format), "run": self._run.id},
        )

    def log(self, staged: Staged) -> None:
        """Logs what is kept; after the run has finished it stays kept, which is said once.

        Raises:
            Exception: Why the server refused an earlier version.
        """
        if self._run._is_finished:  # wandb has no public word for it
            self._say_finished(staged)
            return
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

    def _say_finished(self, staged: Staged) -> None:
        if not self._finished_was_said:
            self._finished_was_said = True
            wandb.termwarn(
                f"WandbModelCheckpoint: run {self._run.id!r} was finished before checkpoint "
                f"{staged.moment}, which is saved, but not logged. It is kept in "
                f"{staged.directory}. Finish a run after `fit`."
            )
