"""Checkpoints as versions of one artifact of a run."""

from dataclasses import replace
from pathlib import Path

import wandb

from wk_checkpoint.artifacts.best_version import best_version_of
from wk_checkpoint.artifacts.staging import StagedVersion, orphaned_versions, stage
from wk_checkpoint.artifacts.uploads import Uploads
from wk_checkpoint.checkpoint import ARTIFACT_TYPE, Checkpoint
from wk_checkpoint.formats import Format
from wk_checkpoint.retention import Retention
from wk_core.artifacts import log_artifact
from wk_core.compat.wandb.artifacts import log_without_asking
from wk_core.compat.wandb.run_hooks import has_finished

__all__ = ["VersionLogger"]


class VersionLogger:
    """Logs checkpoints as versions of one artifact.

    It first uploads the versions that earlier processes of the run have left on this machine.

    Args:
        run: The run.
        artifact: The artifact's name.
        retention: The rule for versions on the server; None keeps all.
    """

    def __init__(self, run: wandb.Run, artifact: str, retention: Retention | None) -> None:
        self._run = run
        self._artifact = artifact
        self._finished_was_reported = False
        self._best = best_version_of(run, artifact)
        log_without_asking(run)
        self._uploads = None if run.offline else Uploads(run, retention)
        for staged in orphaned_versions(run, artifact):
            # If the server has the version already, it knows the digest, and nothing is sent.
            if self._uploads is not None:
                self.log(staged)

    def look_up_best(self, *, is_shared: bool) -> None:
        """Looks up the best version so far, once for each artifact and run.

        Args:
            is_shared: Whether versions of other runs count, too.
        """
        self._best.look_up(self._run, self._artifact, is_shared=is_shared)

    def with_rank(self, checkpoint: Checkpoint) -> Checkpoint:
        """Returns the checkpoint with `is_best` set, which is recorded for the next one."""
        is_best = self._best.improves(checkpoint.monitor, checkpoint.monitored)
        return replace(checkpoint, is_best=is_best)

    def withdraw_rank(self, checkpoint: Checkpoint) -> None:
        """Takes back what `with_rank` has recorded: the checkpoint is not the best after all."""
        if checkpoint.is_best:
            self._best.withdraw(checkpoint.monitor, checkpoint.monitored)

    def stage(self, path: Path, name: str, checkpoint: Checkpoint, format: Format) -> StagedVersion:  # noqa: A002
        """Links or copies a finished checkpoint, so that it stays as it is until the upload."""
        return stage(
            path,
            self._run,
            self._artifact,
            name=name,
            aliases=checkpoint.aliases,
            metadata={**checkpoint.metadata(format), "run": self._run.id},
        )

    def log(self, staged: StagedVersion) -> None:
        """Logs a staged version. If the run is finished, the version stays staged; warns once.

        Raises:
            Exception: If the server has refused an earlier version.
        """
        if has_finished(self._run):
            self._report_finished(staged)
            return
        version = log_artifact(
            self._run,
            name=self._artifact,
            type=ARTIFACT_TYPE,
            paths=[staged.path],
            aliases=staged.aliases,
            metadata=staged.metadata,
            copy=False,
            move_latest="latest" in staged.aliases,
        )
        if self._uploads is not None:
            self._uploads.follow(version, staged)

    def _report_finished(self, staged: StagedVersion) -> None:
        if not self._finished_was_reported:
            self._finished_was_reported = True
            wandb.termwarn(
                f"WandbModelCheckpoint: run {self._run.id!r} was finished before checkpoint "
                f"{staged.step}, which is saved, but not logged. It is kept in "
                f"{staged.directory}. Finish a run after `fit`."
            )
