"""The callback that says where and why a training diverges."""

from collections.abc import Mapping
from typing import Any

import wandb

from wk_core.arguments import check_choice, check_positive_number, check_whole_number
from wk_core.callback import RunCallback
from wk_core.compat.keras.flavour import keras
from wk_metrics.divergence.response import Action, GuardSettings
from wk_metrics.divergence.session import GuardSession


class WandbDivergenceGuard(RunCallback, keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Names the step, the layer and the weight at which a training diverges, and can put it back.

    It looks at the norms of gradients and weights in the training's own steps, which goes on bit
    for bit as without it, and finds the first norm that is NaN or infinite, or that explodes: that
    is far over the largest usual one and over its own running spread, at once or several times in a
    row. Steep norms of a sane training, as with a warm-up or rare rewards, are none. It does so at
    most ten steps later, and at the end of each epoch. Steps that loss scaling skips are no fault,
    unless they are many in a row.

    The run's summary then has:

    - `divergence/step`: the number of the batch in the whole training, as `batch/batch_step`;
    - `divergence/kind`: `"gradient not finite"`, `"gradient exploded"`, `"weight not finite"`,
      `"weight exploded"` or `"steps skipped"`;
    - `divergence/origin`: `"loss"` if the gradients are bad from the loss on, so that the loss, a
      label or an input is at fault; `"layer"` if they are as usual between the loss and that layer;
      `"update"` if the optimizer made bad weights from sane gradients; `"unseen step"` if the step
      at fault was not looked at; `"initial weights"`; or `"loss scale"`;
    - `divergence/layer` and `divergence/weight`: their names; of several, those nearest the loss;
    - `divergence/value`: the norm, or `"nan"` or `"inf"`;
    - `divergence/usual`: the largest usual norm, if one is known;
    - `divergence/optimizer`: its place in the model, if it is not the one of `compile`.

    After a rollback, training goes on with the batches that come next: those since the checkpoint
    are skipped. Each rollback has a row with the x axis `divergence/step`: the above, the number of
    rollbacks as `divergence/rollbacks`, the name of the checkpoint as `divergence/restored`, and
    the new rate as `divergence/learning_rate`.

    The norms of a step cost up to 6 % of it, those of large dense layers more. The first steps are
    timed, and if norms cost more than 2 %, they are taken in fewer steps.

    Args:
        action: `"report"` to say it only; `"stop"` to stop training, too; `"rollback"` to put the
            model back to the last checkpoint with finite values of a `WandbModelCheckpoint` in the
            same `fit`, and to stop where there is none. Defaults to `"report"`.
        alert: Whether to send a W&B alert. Defaults to False.
        max_rollbacks: How often the model is put back in one `fit`; then training stops. Defaults
            to 3.
        rate_factor: By what the learning rate is multiplied at each rollback, above 0 and at most
            1, which keeps it: then the batches are skipped only. Defaults to 0.5.
        norms_every: The number of steps from one whose norms are taken to the next. Defaults to
            None: as many as cost at most 2 % of the time, or 0.5 ms a step.
        run: The run to report to. Defaults to the active run.

    Raises:
        wandb.Error: If no run is given or active, or if it is finished.
        ValueError: If an argument is not as above; when `fit` begins, if `action` is `"rollback"`
            and no callback saves checkpoints, or a schedule computes the rate that is to be
            multiplied.

    Example:
        ```python
        import keras
        import numpy as np
        import wandb
        from wk_metrics import WandbDivergenceGuard

        x, y = np.ones((64, 4)), np.ones((64, 1))
        y[40] = np.nan  # a missing label
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, name="head")])
        model.compile(loss="mse")

        with wandb.init(mode="offline") as run:
            guard = WandbDivergenceGuard(action="stop", norms_every=1)
            model.fit(x, y, batch_size=8, shuffle=False, verbose=0, callbacks=[guard])
            assert run.summary["divergence/step"] == 5
            assert run.summary["divergence/origin"] == "loss"
        ```
    """

    # Keras may call other callbacks' hooks from its pool of threads.
    async_safe = True

    _session: GuardSession

    def __init__(
        self,
        *,
        action: Action = "report",
        alert: bool = False,
        max_rollbacks: int = 3,
        rate_factor: float = 0.5,
        norms_every: int | None = None,
        run: wandb.Run | None = None,
    ) -> None:
        check_choice(action, "action", ("report", "stop", "rollback"))
        super().__init__()
        self._settings = GuardSettings(
            action=action,
            alert=alert,
            max_rollbacks=check_whole_number(max_rollbacks, "max_rollbacks", of="rollbacks"),
            rate_factor=_checked_factor(rate_factor),
            norms_every=_checked_steps(norms_every),
        )
        self._report_to(run)

    def _begin_session(self, run: wandb.Run) -> GuardSession:
        return GuardSession(run, self._settings, type(self).__name__)

    @property
    def _is_in_fit(self) -> bool:
        return self._session.is_in_fit

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Prepares to look at the steps.

        Raises:
            ValueError: If the model is to be put back, and that is not possible.
        """
        self._session.begin_fit(self.model, self.params)

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Finds the number of the epoch in the whole training."""
        self._session.begin_epoch(epoch)

    def on_train_batch_begin(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Judges earlier steps, and acts where training diverges."""
        self._session.begin_batch(batch)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Records that the epoch has ended."""
        self._session.end_epoch(epoch)

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Waits until everything is logged."""
        self._session.end_fit()


def _checked_factor(factor: Any) -> float:
    number = check_positive_number(factor, "rate_factor", of="the learning rate's")
    if number > 1:
        raise ValueError(f"`rate_factor` must be at most 1. Received: rate_factor={factor!r}")
    return number


def _checked_steps(number: int | None) -> int | None:
    if number is None:
        return None
    return check_whole_number(number, "norms_every", of="steps", or_else="None")
