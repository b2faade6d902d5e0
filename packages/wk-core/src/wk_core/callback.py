"""The base class of callbacks that report to a run; their copies do without the run."""

import abc
import weakref
from typing import Any, Final

import wandb

from wk_core.compat.keras.flavour import NOT_IN_FIT
from wk_core.compat.keras.hooks import default_hooks, is_nested, restore_default_hook
from wk_core.compat.keras.other_flavour import check_flavour, other_flavour_calls
from wk_core.distribution import check_distribution, check_keras
from wk_core.run import check_open, resolve_run

__all__ = ["CopyError", "RunCallback"]


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


class RunCallback(abc.ABC):
    """Base class of callbacks that report to a run; it stands before Keras' class among the bases.

    A callback can be copied and pickled, the run that it reports to cannot. A copy has the same
    settings, and takes its run when its first `fit` or `evaluate` begins: the run that was passed
    to the original as `run=`, else the run that is active then. A run stays in its process: in
    another process the run of that id has to be the active run.

    All that belongs to a run, or to a `fit` that reports to it, is in one attribute, `_session`,
    which `_begin_session` makes. A constructor ends with `_report_to(run)`.

    Example:
        ```python
        import keras
        import numpy as np
        import wandb
        from wk_core import RunCallback


        class LogLoss(RunCallback, keras.callbacks.Callback):
            def __init__(self, run=None):
                super().__init__()
                self._report_to(run)

            def _begin_session(self, run):
                return run

            def on_epoch_end(self, epoch, logs=None):
                self._session.log({"loss": logs["loss"]})


        model = keras.Sequential([keras.layers.Dense(1)])
        model.compile(loss="mse")
        with wandb.init(mode="offline") as run:
            model.fit(np.ones((8, 2)), np.ones((8, 1)), verbose=0, callbacks=[LogLoss()])
            assert "loss" in run.summary.keys()
        ```
    """

    _session: Any

    def _report_to(self, run: wandb.Run | None) -> None:
        """Takes the run that was passed to the constructor, or the active run.

        Raises:
            wandb.Error: If there is none, or it is finished.
            TypeError: If `run` is not a run.
        """
        self._given_run = None if run is None else _GivenRun.of(run)
        self._is_bound = True
        check_keras()
        self._bound_run = self._resolve(run)
        self._session = self._begin_session(self._bound_run)

    def _resolve(self, run: wandb.Run | None) -> wandb.Run:
        return resolve_run(type(self).__name__, run)

    @abc.abstractmethod
    def _begin_session(self, run: wandb.Run) -> Any:
        """Returns what holds all that belongs to the run, and to a `fit` that reports to it."""

    @property
    def _is_in_fit(self) -> bool:
        """Whether the session holds something that belongs to one `fit`."""
        return False

    def set_model(self, model: Any) -> None:
        """Sets the model; a copy takes its run, too.

        Raises:
            wandb.Error: If the run is finished when a `fit` or `evaluate` begins.
            TypeError: If the model is one of the other Keras.
        """
        check_flavour(self, model)
        check_distribution()
        if self._is_bound and not (self._is_in_fit and is_nested()):
            check_open(type(self).__name__, self._bound_run)
        if not self._is_bound:
            self._bind_copy()
        super().set_model(model)  # type: ignore[misc]  # the Keras callback behind it

    def _bind_copy(self) -> None:
        given = None if self._given_run is None else self._given_run.found(type(self).__name__)
        self._report_to(given)

    def __getattr__(self, name: str) -> Any:
        if name == "_session" and not vars(self).get("_is_bound", True):
            self._bind_copy()  # a state is restored into a copy before its `fit` begins
            return self._session
        other_flavour_calls(self, name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __getstate__(self) -> dict[str, Any]:
        if self._is_bound and self._is_in_fit:
            raise CopyError(self, "while its `fit` runs")
        hooks = default_hooks(self)
        for name in vars(self):
            if name.startswith("on_") and name not in hooks:
                raise CopyError(self, "between `restore` and the `fit` that goes on")
        kept = {
            name: value
            for name, value in vars(self).items()
            if name not in ("_session", "_bound_run") and name not in hooks
        }
        return {**kept, **NOT_IN_FIT, "_is_bound": False, "_hooks": hooks}

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        # Before Keras looks at them, which is before a callback gets its model.
        hooks = state.pop("_hooks")
        vars(self).update(state)
        for hook in hooks:
            restore_default_hook(self, type(self), hook)


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
