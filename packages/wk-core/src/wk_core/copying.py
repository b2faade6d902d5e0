"""Copies of callbacks: a callback can be copied and pickled, the run that it reports to cannot."""

import abc
import weakref
from typing import Any, ClassVar, Final

import wandb

from wk_core.callbacks import is_nested, leave_to_keras, left_to_keras
from wk_core.flavour import check_flavour, other_flavour_calls
from wk_core.keras import NOT_IN_FIT
from wk_core.run import check_open, resolve_run
from wk_core.strategy import check_distribution, check_keras

__all__ = ["CopyError", "WithoutItsRun"]


class CopyError(TypeError):
    """A callback cannot be copied or pickled at this moment.

    Args:
        callback: The callback.
        moment: Which moment it is, as `"while its fit runs"`.
    """

    def __init__(self, callback: Any, moment: str) -> None:
        super().__init__(
            f"{type(callback).__name__} cannot be copied or pickled {moment}: threads, files and "
            "hooks of this process belong to it then. Make the copy before `fit`, or after it; "
            "after a `fit` that has raised, make a new callback. Where a data set or a model is "
            "to be copied during a fit, as for worker processes, keep no callback in it."
        )


class WithoutItsRun(abc.ABC):
    """Base class of callbacks whose copies do without the run, until a `fit` begins with them.

    `copy.deepcopy(callback)` and `pickle.loads(pickle.dumps(callback))` give a callback with the
    same settings. It reports to the run that is active when its first `fit` or `evaluate` begins,
    whichever the original reports to; but where the original was given its run as `run=`, to that
    one. A run stays in its process: in another one the run of that id has to be the active one.

    A callback names what copies must not have in `_not_copied`, and makes all of it in `_bind`;
    its constructor ends with `_report_to(run)`. It stands before Keras' class among the bases.
    """

    _not_copied: ClassVar[frozenset[str]]

    def _report_to(self, run: wandb.Run | None) -> None:
        """Takes up the run that was passed to the constructor, or the active one."""
        self._given_run = None if run is None else _GivenRun.of(run)
        self._is_bound = True
        check_keras()
        self._bound_run = self._resolve(run)
        self._bind(self._bound_run)

    def _resolve(self, run: wandb.Run | None) -> wandb.Run:
        return resolve_run(type(self).__name__, run)

    @abc.abstractmethod
    def _bind(self, run: wandb.Run) -> None:
        """Makes what belongs to the run, and to a `fit` that reports to it."""

    @property
    @abc.abstractmethod
    def _is_in_fit(self) -> bool:
        """Whether something is there that belongs to one `fit`."""

    def set_model(self, model: Any) -> None:
        """Takes the model; a copy takes up its run, too.

        Raises:
            wandb.Error: If the run is finished when a `fit` or `evaluate` begins.
            TypeError: If the model is one of the other Keras.
        """
        check_flavour(self, model)
        check_distribution()
        if self._is_bound and not (self._is_in_fit and is_nested()):
            check_open(type(self).__name__, self._bound_run)
        if not self._is_bound:
            given = None if self._given_run is None else self._given_run.found(type(self).__name__)
            self._report_to(given)
        super().set_model(model)  # type: ignore[misc]  # the Keras callback behind it

    def __getattr__(self, name: str) -> Any:
        other_flavour_calls(self, name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __getstate__(self) -> dict[str, Any]:
        if self._is_bound and self._is_in_fit:
            raise CopyError(self, "while its `fit` runs")
        hooks = left_to_keras(self)
        for name in vars(self):
            if name.startswith("on_") and name not in hooks:
                raise CopyError(self, "between `restore` and the `fit` that goes on")
        kept = {
            name: value
            for name, value in vars(self).items()
            if name not in {*self._not_copied, "_bound_run"} and name not in hooks
        }
        return {**kept, **NOT_IN_FIT, "_is_bound": False, "_hooks": hooks}

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        # Before Keras looks at them, which is before a callback gets its model.
        hooks = state.pop("_hooks")
        vars(self).update(state)
        for hook in hooks:
            leave_to_keras(self, type(self), hook)


# By id: what is pickled in a process and unpickled there finds its run again.
_given_runs: "Final[weakref.WeakValueDictionary[str, wandb.Run]]" = weakref.WeakValueDictionary()


class _GivenRun:
    """The run that a callback was given, for its copies; in other processes only its id."""

    def __init__(self, run_id: str) -> None:
        self._id = run_id
        self._run = _given_runs.get(run_id)

    @classmethod
    def of(cls, run: wandb.Run) -> "_GivenRun":
        _given_runs[run.id] = run
        return cls(run.id)

    def found(self, callback_name: str) -> wandb.Run:
        run = self._run
        if run is None and wandb.run is not None and wandb.run.id == self._id:
            run = wandb.run
        if run is None:
            raise wandb.Error(
                f"This copy of {callback_name} reports to run {self._id!r}, which was passed as "
                f"`run=` in another process: a run cannot be pickled. Leave out `run=`, and the "
                "copy reports to the run that is active when its `fit` begins."
            )
        return run

    def __deepcopy__(self, memo: dict[int, Any]) -> "_GivenRun":
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return _GivenRun, (self._id,)
