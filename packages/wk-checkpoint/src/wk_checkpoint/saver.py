"""One checkpoint after the other: from a model to a file in its place and a version in W&B."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import wandb

from wk_checkpoint.checkpoint import Checkpoint
from wk_checkpoint.contents import Contents
from wk_checkpoint.errors import CheckpointError, SplitModelError
from wk_checkpoint.formats import Format
from wk_checkpoint.local_files import LocalFiles
from wk_checkpoint.places import Place, place_of
from wk_checkpoint.snapshot import Snapshot, saved_variables
from wk_checkpoint.training_state import record
from wk_checkpoint.version_log import VersionLog
from wk_core.background import Background
from wk_core.keras import sync_state
from wk_core.keras_saving import prepare_saving, serialized_config
from wk_core.spread import is_split

__all__ = ["Saver"]


class Saver:
    """Saves checkpoints, one at a time and in order.

    The training thread takes a snapshot; a background thread writes it, puts it in its place and
    logs it. There is never more than one snapshot: the next one waits for the last to be saved.

    Args:
        format: The format.
        versions: Where checkpoints are logged; None where they are not.
        files: The checkpoints on the disk that retention is about; None where all are kept.
        in_background: Whether to use a background thread where it can be.
        say: Called with what is worth telling the user.
    """

    def __init__(
        self,
        format: Format,  # noqa: A002  Keras' and W&B's own word for it
        versions: VersionLog | None,
        files: LocalFiles | None,
        *,
        in_background: bool,
        say: Callable[[str], None],
    ) -> None:
        self._format = format
        self._versions = versions
        self._files = files
        self._in_background = in_background
        self._say = say
        self._background = Background("wk_checkpoint.saver", capacity=1)
        self._obstacle_was_said = False
        self._last: Place | None = None
        self._saved: list[Any] | None = None
        self._saved_of: tuple[int, ...] = ()

    @property
    def busy(self) -> bool:
        """Whether a checkpoint is being saved."""
        return self._background.busy

    def prepare(self, model: Any) -> None:
        """Does before training what else the first checkpoint would have to wait for.

        For its writers Keras looks into its own classes, and for TensorFlow on every backend.
        """
        self._saved = None  # another optimizer may have been compiled in
        prepare_saving()
        if model.built:
            serialized_config(model)

    def save(
        self, checkpoint: Checkpoint, model: Any, *, best: float | None, callbacks: list[Any]
    ) -> None:
        """Saves a model as it is now; returns as soon as training can go on.

        Args:
            checkpoint: What it will be called.
            model: The model.
            best: The best value of the monitored metric so far.
            callbacks: The callbacks whose state is saved, too.

        Raises:
            CheckpointError: If this checkpoint, or the one before it, cannot be saved.
        """
        self._background.flush()
        if self._files is not None:
            self._files.expect(checkpoint.path, checkpoint.judgement.score)
        sync_state(model)
        snapshot = self._snapshot(model)
        state = record(checkpoint.moment, best=best, model=model, callbacks=callbacks)
        contents = Contents(model, serialized_config(model), state, snapshot)
        if snapshot is None:
            draft = self._write(checkpoint, contents)
            self._background.submit(lambda: self._finish(checkpoint, draft))
        else:
            handed_over = [contents]
            del contents, snapshot
            # Whatever comes after the writing does without the snapshot's memory.
            self._background.submit(
                lambda: self._finish(checkpoint, self._write(checkpoint, handed_over.pop()))
            )
        if not self._in_background:
            self._background.flush()

    def flush(self) -> None:
        """Waits until everything is saved.

        Raises:
            CheckpointError: If a checkpoint cannot be saved.
        """
        self._background.flush()

    def close(self) -> BaseException | None:
        """Waits until everything is saved and ends the thread; returns an error not yet raised."""
        return self._background.close()

    def _snapshot(self, model: Any) -> Snapshot | None:
        split = is_split(model)
        if not self._in_background and not split:
            return None
        obstacle = self._format.obstacle(model)
        if obstacle is not None:
            if split:
                raise SplitModelError(obstacle)
            self._say_obstacle(obstacle)
            return None
        return Snapshot(self._saved_variables(model))

    def _saved_variables(self, model: Any) -> list[Any]:
        optimizer = getattr(model, "optimizer", None)
        known = (model.variables, [] if optimizer is None else optimizer.variables)
        size = tuple(map(len, known))
        if self._saved is None or size != self._saved_of:
            self._saved, self._saved_of = saved_variables(model), size
        return self._saved

    def _say_obstacle(self, obstacle: str) -> None:
        if not self._obstacle_was_said:
            self._obstacle_was_said = True
            wandb.termlog(
                f"WandbModelCheckpoint: training waits while a checkpoint is written: {obstacle}."
            )

    def _write(self, checkpoint: Checkpoint, contents: Contents) -> "_Draft":
        with _naming(checkpoint), contextlib.ExitStack() as stack:
            place = place_of(checkpoint.path)
            path = stack.enter_context(place.draft())
            if self._last is not None:
                self._last.uncache()  # The new one takes that memory, instead of more.
            self._format.write(contents, path)
            return _Draft(place, path, stack.pop_all())

    def _finish(self, checkpoint: Checkpoint, draft: "_Draft") -> None:
        with draft.cleanup:
            with _naming(checkpoint):
                staged = None
                if self._versions is not None:
                    # Before it is published: a directory's draft holds the old one afterwards.
                    staged = self._versions.stage(
                        draft.path, draft.place.name, checkpoint, self._format
                    )
                draft.place.publish(draft.path)
                self._last = draft.place
            self._say(f"{checkpoint.moment.alias}: saved {checkpoint.path}")
            if self._files is not None:
                self._files.add(checkpoint.path, checkpoint.judgement.score)
            with _naming(checkpoint, written=True):
                if self._versions is not None and staged is not None:
                    self._versions.log(staged)


@dataclass(frozen=True)
class _Draft:
    """A checkpoint that is written, but not yet where it belongs."""

    place: Place
    path: Path
    cleanup: contextlib.ExitStack


@contextlib.contextmanager
def _naming(checkpoint: Checkpoint, *, written: bool = False) -> Iterator[None]:
    """Has an error name the checkpoint."""
    try:
        yield
    except CheckpointError:  # names one already: another one, whose upload has failed meanwhile
        raise
    except Exception as error:
        raise CheckpointError(
            checkpoint.moment.alias, checkpoint.path, error, written=written
        ) from error
