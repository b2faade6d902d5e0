"""One checkpoint after the other: from a model to a file in its place and a version in W&B."""

import contextlib
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import wandb

from wk_checkpoint.artifacts.staging import Staged
from wk_checkpoint.artifacts.version_logger import VersionLog
from wk_checkpoint.checkpoint import Checkpoint
from wk_checkpoint.errors import CheckpointError, SplitModelError, UnserializableModelError
from wk_checkpoint.formats import Format
from wk_checkpoint.local_files import LocalFiles
from wk_checkpoint.snapshot.checkpoint_data import Contents
from wk_checkpoint.snapshot.snapshot import Snapshot
from wk_checkpoint.state import training_state
from wk_checkpoint.state.architecture import serialized
from wk_checkpoint.state.model_state import keras_2 as model_state_keras_2
from wk_checkpoint.state.model_state import keras_3 as model_state
from wk_checkpoint.storage.storage import Place, place_of
from wk_core.background import Background
from wk_core.keras import LEGACY, sync_state
from wk_core.keras_saving import is_overridden, prepare_saving
from wk_core.saved_objects import SavedObject, SavedObjects
from wk_core.spread import is_split

__all__ = ["Saver", "wait_for_savers"]

_SAVERS: Final["weakref.WeakSet[Saver]"] = weakref.WeakSet()  # of this process


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
        self._nothing_was_said = False
        self._last: Place | None = None
        self._objects = None if LEGACY else SavedObjects()
        _SAVERS.add(self)

    @property
    def busy(self) -> bool:
        """Whether a checkpoint is being saved."""
        return self._background.busy

    def prepare(self, model: Any) -> None:
        """Does before training what else the first checkpoint would have to wait for.

        For its writers Keras looks into its own classes, and for TensorFlow on every backend.

        Raises:
            UnserializableModelError: If the model will never be saved as a whole.
        """
        prepare_saving()
        needed = self._format.needs_configuration and not LEGACY
        if needed and _own_way(model, self._format) is None:
            try:
                serialized(model)
            except UnserializableModelError as error:
                # Before it is built, a model may not know yet what it can write down later.
                if model.built or isinstance(error.cause, NotImplementedError | TypeError):
                    raise

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
        with _naming(checkpoint):
            contents = self._contents(checkpoint, model, best=best, callbacks=callbacks)
        if contents.waits:
            draft = self._write(checkpoint, contents)
            self._background.submit(lambda: self._finish(checkpoint, draft))
        else:
            handed_over = [contents]
            del contents
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

    def drain(self) -> None:
        """Waits until everything is saved; what went wrong is raised later."""
        self._background.drain()

    def close(self) -> BaseException | None:
        """Waits until everything is saved and ends the thread; returns an error not yet raised."""
        return self._background.close()

    def _contents(
        self, checkpoint: Checkpoint, model: Any, *, best: float | None, callbacks: list[Any]
    ) -> Contents:
        state = training_state.record(
            checkpoint.moment, best=best, model=model, callbacks=callbacks
        )
        if self._objects is None:
            if self._in_background:
                self._say_obstacle("Keras 2 can only save what a model holds at that moment")
            return Contents(model, {**state, "model": model_state_keras_2.record(model)}, None)
        objects = self._objects.of(model)
        snapshot = self._snapshot(model, objects)
        return Contents(model, {**state, "model": model_state.record(objects, snapshot)}, snapshot)

    def _snapshot(self, model: Any, objects: Sequence[SavedObject]) -> Snapshot | None:
        """Takes a snapshot; None where the model has to write itself, while training waits."""
        if is_split(model):
            return self._snapshot_of_parts(model, objects)
        obstacle = _own_way(model, self._format)
        if obstacle is not None:
            self._say_obstacle(obstacle)
            return None
        obstacle = self._format.obstacle(model) if self._in_background else None
        if obstacle is not None:
            self._say_obstacle(obstacle)
        live = obstacle is not None or not self._in_background
        try:
            snapshot = self._format.snapshot(model, objects, live=live)
            snapshot.take_assets()
            return snapshot
        except UnserializableModelError:
            raise
        except Exception as error:  # whatever a method of the user's own raises: Keras' turn
            self._say_obstacle(f"its state can be had by Keras' writer only ({error!r})")
            return None

    def _snapshot_of_parts(self, model: Any, objects: Sequence[SavedObject]) -> Snapshot:
        obstacle = _own_way(model, self._format) or self._format.obstacle(model)
        if obstacle is not None:
            raise SplitModelError(obstacle)
        snapshot = self._format.snapshot(model, objects, live=False)
        snapshot.take_assets()
        return snapshot

    def _say_obstacle(self, obstacle: str) -> None:
        if not self._obstacle_was_said:
            self._obstacle_was_said = True
            wandb.termlog(
                f"WandbModelCheckpoint: training waits while a checkpoint is written: {obstacle}."
            )

    def _say_nothing_written(self, checkpoint: Checkpoint) -> None:
        if not self._nothing_was_said:
            self._nothing_was_said = True
            wandb.termwarn(
                f"WandbModelCheckpoint: the model's own `{self._format.method}` wrote nothing to "
                f"{checkpoint.given!r}, so nothing is logged."
            )

    def _write(self, checkpoint: Checkpoint, contents: Contents) -> "_Draft":
        with _naming(checkpoint), contextlib.ExitStack() as stack:
            place = place_of(checkpoint.path)
            path = stack.enter_context(place.draft())
            if self._last is not None:
                self._last.uncache()  # The new one takes that memory, instead of more.
            if contents.snapshot is None:  # The model writes itself, and perhaps more than that.
                path = path.parent / "by_model" / path.name
                path.parent.mkdir()
                self._format.write(contents, path)
                others = [other for other in path.parent.iterdir() if other != path]
                return _Draft(place, path, others, stack.pop_all())
            self._format.write(contents, path)
            return _Draft(place, path, [], stack.pop_all())

    def _finish(self, checkpoint: Checkpoint, draft: "_Draft") -> None:
        with draft.cleanup:
            with _naming(checkpoint):
                for other in draft.others:
                    directory = checkpoint.path.removesuffix(draft.place.name)
                    place_of(f"{directory}{other.name}").publish(other)
                if not draft.path.exists():
                    self._say_nothing_written(checkpoint)
                    return
                staged = self._stage(checkpoint, draft)
                draft.place.publish(draft.path)
                self._last = draft.place
            self._say(f"{checkpoint.moment.alias}: saved {checkpoint.given}")
            if self._files is not None:
                self._files.add(checkpoint.path, checkpoint.judgement.score)
            with _naming(checkpoint, written=True):
                if isinstance(staged, OSError):
                    raise staged
                if self._versions is not None and staged is not None:
                    self._versions.log(staged)

    def _stage(self, checkpoint: Checkpoint, draft: "_Draft") -> Staged | OSError | None:
        """Keeps a checkpoint for W&B, or returns why not: its own place does without that.

        That is before it is published: a directory's draft holds the old one afterwards.
        """
        if self._versions is None:
            return None
        try:
            return self._versions.stage(draft.path, draft.place.name, checkpoint, self._format)
        except OSError as error:
            return error


def wait_for_savers() -> None:
    """Waits until all that this process has taken is in its place: a `fit` that raises does not."""
    for saver in list(_SAVERS):
        saver.drain()


@dataclass(frozen=True)
class _Draft:
    """A checkpoint that is written, but not yet where it belongs.

    Attributes:
        place: Where it belongs.
        path: Where it is now; a model that writes itself may have written nothing there.
        others: What such a model has written beside it.
        cleanup: Removes what is left.
    """

    place: Place
    path: Path
    others: list[Path]
    cleanup: contextlib.ExitStack


@contextlib.contextmanager
def _naming(checkpoint: Checkpoint, *, written: bool = False) -> Iterator[None]:
    """Has an error name the checkpoint."""
    try:
        yield
    except (CheckpointError, SplitModelError):
        # It names one already: another one, whose upload has failed meanwhile. Or all of them.
        raise
    except Exception as error:
        raise CheckpointError(
            checkpoint.moment.alias, checkpoint.given, error, written=written
        ) from error


def _own_way(model: Any, format: Format) -> str | None:  # noqa: A002
    """Returns why a model has to write itself, or None if wk can do it."""
    if format.method is not None and is_overridden(model, format.method):
        return f"{type(model).__name__} has a `{format.method}` of its own"
    return None
