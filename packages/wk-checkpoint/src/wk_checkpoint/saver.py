"""Saving checkpoints one after the other: from a model to a file and a version in W&B."""

import contextlib
import tempfile
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

import wandb

from wk_checkpoint.artifacts.staging import StagedVersion
from wk_checkpoint.artifacts.version_logger import VersionLogger
from wk_checkpoint.checkpoint import Checkpoint
from wk_checkpoint.errors import CheckpointError, SplitModelError
from wk_checkpoint.formats import Format
from wk_checkpoint.judge import Judge
from wk_checkpoint.retention import LocalFiles
from wk_checkpoint.snapshot.checkpoint_data import CheckpointData
from wk_checkpoint.snapshot.recorder import CheckpointRecorder, requires_collective_save
from wk_checkpoint.state.last_good import LastGood
from wk_checkpoint.storage.storage import Storage, storage_at
from wk_core.compat.keras.training import sync_state
from wk_core.task_queue import TaskQueue

__all__ = ["CollectiveSaver", "Saver", "wait_for_savers"]

_SAVERS: Final["weakref.WeakSet[Saver]"] = weakref.WeakSet()  # of this process


class Saver:
    """Saves checkpoints, one at a time and in order.

    The training thread takes a snapshot. A background thread writes it, moves the file to its path
    and logs it. There is one snapshot at a time: the next checkpoint waits for the last one.

    Args:
        format: The format.
        versions: The logger of versions; None if nothing is logged.
        files: The files to which a retention rule applies; None without a rule.
        last_good: Gets each checkpoint that is saved and finite.
        demote: Called with a checkpoint that is not finite: it is the best no more.
        in_background: Whether to use a background thread for models that allow it.
        say: Called with messages for the user.
    """

    _is_silent: ClassVar[bool] = False

    def __init__(
        self,
        format: Format,  # noqa: A002  Keras' and W&B's own word for it
        versions: VersionLogger | None,
        files: LocalFiles | None,
        last_good: LastGood,
        demote: Callable[[Checkpoint], None],
        *,
        in_background: bool,
        say: Callable[[str], None],
    ) -> None:
        self._format = format
        self._versions = versions
        self._files = files
        self._last_good = last_good
        self._in_background = in_background
        self._say = say
        self._recorder = CheckpointRecorder(format, in_background=in_background)
        self._background = TaskQueue("wk_checkpoint.saver", capacity=1)
        self._judge = Judge(demote, self._background.hurry, is_silent=self._is_silent)
        self._nothing_was_reported = False
        self._last: Storage | None = None
        _SAVERS.add(self)

    @property
    def busy(self) -> bool:
        """Whether a checkpoint is being saved."""
        return self._background.busy

    def prepare(self, model: Any) -> None:
        """Does before training what the first checkpoint would otherwise wait for.

        Raises:
            UnserializableModelError: If the whole model can never be saved.
        """
        self._recorder.prepare(model)

    def save(
        self, checkpoint: Checkpoint, model: Any, *, best: float | None, callbacks: list[Any]
    ) -> None:
        """Saves a model as it is now; returns as soon as training can go on.

        Args:
            checkpoint: Its path, names and metadata.
            model: The model.
            best: The best value of the monitored metric so far.
            callbacks: The callbacks whose state is saved.

        Raises:
            CheckpointError: If this checkpoint, or the one before it, cannot be saved.
        """
        self._background.flush()
        if self._files is not None:
            self._files.expect(checkpoint.path, checkpoint.monitored.score)
        sync_state(model)
        with _as_checkpoint_error(checkpoint):
            data = self._recorder.record(checkpoint.step, model, best=best, callbacks=callbacks)
        self._judge.announce()
        if data.blocks_training:
            written = self._write(checkpoint, data)
            self._background.submit(lambda: self._finish(written, model))
        else:
            handed_over = [data]
            del data
            # `pop` frees the snapshot's memory as soon as it is written.
            self._background.submit(
                lambda: self._finish(self._write(checkpoint, handed_over.pop()), model)
            )
        if not self._in_background:
            self._background.flush()

    def await_judgement(self) -> None:
        """Waits until it is known whether the checkpoint that is being saved is finite."""
        self._judge.wait()

    def flush(self) -> None:
        """Waits until everything is saved.

        Raises:
            CheckpointError: If a checkpoint cannot be saved.
        """
        self._background.flush()

    def drain(self) -> None:
        """Waits until everything is saved; an error is raised later, by another method."""
        self._background.drain()

    def close(self) -> BaseException | None:
        """Waits until everything is saved and ends the thread; returns an error not yet raised."""
        return self._background.close()

    def _write(self, checkpoint: Checkpoint, data: CheckpointData) -> "_Written | None":
        """Writes a checkpoint to a temporary path; returns None if it is not to be saved."""
        with _as_checkpoint_error(checkpoint), contextlib.ExitStack() as stack:
            judged = self._judge.judge(checkpoint, data, self._recorder.infinite)
            if judged is None:
                return None
            checkpoint = judged
            storage = storage_at(checkpoint.path)
            path = stack.enter_context(storage.temporary())
            if self._last is not None:
                self._last.drop_page_cache()  # The new file takes that memory, instead of more.
            if data.snapshot is None:  # The model's own method may write other files as well.
                path = path.parent / "by_model" / path.name
                path.parent.mkdir()
                self._format.write(data, path)
                others = [other for other in path.parent.iterdir() if other != path]
                return _Written(checkpoint, storage, path, others, stack.pop_all())
            self._format.write(data, path)
            return _Written(checkpoint, storage, path, [], stack.pop_all())

    def _finish(self, written: "_Written | None", model: Any) -> None:
        """Moves a written checkpoint to its path, removes expired ones, and logs it."""
        if written is None:
            return
        checkpoint = written.checkpoint
        with written.cleanup:
            with _as_checkpoint_error(checkpoint):
                for other in written.others:
                    directory = checkpoint.path.removesuffix(written.storage.name)
                    storage_at(f"{directory}{other.name}").commit(other)
                if not written.path.exists():
                    self._report_nothing_written(checkpoint)
                    return
                staged = self._stage(checkpoint, written)
                written.storage.commit(written.path)
                self._last = written.storage
            self._say(f"{checkpoint.step.alias}: saved {checkpoint.given_path}")
            if checkpoint.is_finite:
                staged_version = staged if isinstance(staged, StagedVersion) else None
                self._last_good.record(checkpoint, model, staged_version)
            if self._files is not None:
                score = checkpoint.monitored.score
                self._files.add(checkpoint.path, score, is_finite=checkpoint.is_finite)
            with _as_checkpoint_error(checkpoint, written=True):
                if isinstance(staged, OSError):
                    raise staged
                if self._versions is not None and staged is not None:
                    self._versions.log(staged)

    def _stage(self, checkpoint: Checkpoint, written: "_Written") -> StagedVersion | OSError | None:
        """Stages a checkpoint for W&B; returns the error if that fails, which stops nothing else.

        Must come before the commit: that exchanges directories, so the path then holds the old one.
        """
        if self._versions is None:
            return None
        name = written.storage.name
        try:
            return self._versions.stage(written.path, name, checkpoint, self._format)
        except OSError as error:
            return error

    def _report_nothing_written(self, checkpoint: Checkpoint) -> None:
        if not self._nothing_was_reported:
            self._nothing_was_reported = True
            wandb.termwarn(
                f"WandbModelCheckpoint: the model's own `{self._format.method}` wrote nothing to "
                f"{checkpoint.given_path!r}, so nothing is logged."
            )


class CollectiveSaver(Saver):
    """Takes part in the saves of another process, and keeps nothing.

    The arguments are those of `Saver`.
    """

    _is_silent: ClassVar[bool] = True

    def save(
        self, checkpoint: Checkpoint, model: Any, *, best: float | None, callbacks: list[Any]
    ) -> None:
        """Reads the same variables as the other process, in the same order.

        TensorFlow's workers read them together within the writers: the file that this process
        writes is removed. For a snapshot it is enough to take it.
        """
        if not requires_collective_save(model):
            return
        sync_state(model)
        data = self._recorder.record(checkpoint.step, model, best=best, callbacks=callbacks)
        judged = self._judge.judge(checkpoint, data, self._recorder.infinite)
        if data.blocks_training and judged is not None:
            with tempfile.TemporaryDirectory() as directory:
                self._format.write(data, Path(directory, Path(checkpoint.path).name))


def wait_for_savers() -> None:
    """Waits until this process has saved all its checkpoints, also after a `fit` that raised."""
    for saver in list(_SAVERS):
        saver.drain()


@dataclass(frozen=True)
class _Written:
    """A checkpoint that is written to a temporary path.

    Attributes:
        checkpoint: The checkpoint, with its final path.
        storage: The storage at that path.
        path: The temporary path; a model's own method may have written nothing to it.
        others: The other files that such a method has written.
        cleanup: Removes the temporary directory.
    """

    checkpoint: Checkpoint
    storage: Storage
    path: Path
    others: list[Path]
    cleanup: contextlib.ExitStack


@contextlib.contextmanager
def _as_checkpoint_error(checkpoint: Checkpoint, *, written: bool = False) -> Iterator[None]:
    """Raises an error within the block as a CheckpointError that names the checkpoint."""
    try:
        yield
    except (CheckpointError, SplitModelError):
        # The first may name an earlier checkpoint, the second applies to all.
        raise
    except Exception as error:
        raise CheckpointError(
            checkpoint.step.alias, checkpoint.given_path, error, written=written
        ) from error
