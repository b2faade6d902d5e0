"""Statistics of updates on JAX: more outputs of the step, beside the optimizer's variables.

Keras' step is a function of the training state that returns the next state. For the time of a call,
the optimizer's part of the state is longer by the statistics, which are cut off again before Keras
sees them: they are in no variable, and waiting for them is up to who reads them.
"""

from collections.abc import Callable, Collection, Iterator
from typing import Any, Final

import jax
import jax.numpy as jnp
import keras
import numpy as np

from wk_core.compat.keras.accumulation import accumulation_in_step, accumulation_steps
from wk_core.compat.keras.flavour import scale_in_step, skips_overflows, steps_per_execution
from wk_core.compat.keras.saved_objects import trained_variables
from wk_core.compat.keras.train_function import (
    Shadow,
    extended_shardings,
    second_train_function,
    shadowed,
)
from wk_core.compat.keras.training import is_compiled
from wk_metrics.gradients.training_steps.bins import BINS
from wk_metrics.gradients.training_steps.numerics import jax as numerics
from wk_metrics.gradients.training_steps.records import Detail, Updates, Watched
from wk_metrics.gradients.training_steps.rows import WeightRows


def steps_of(
    model: Any, optimizers: dict[str, Any], details: Collection[Detail]
) -> "dict[Detail, _Step]":
    """Makes train functions of a model that take statistics."""
    return {detail: _Step(model, optimizers, detail) for detail in details}


class _Step:
    """A train function whose step also returns statistics of its updates.

    Attributes:
        error: What went wrong in looking; None if nothing did.
        draws: False: Keras' random numbers are in the training state.
    """

    draws = False

    def __init__(self, model: Any, optimizers: dict[str, Any], detail: Detail) -> None:
        self.error: Exception | None = None
        self._train_step = model.train_step
        self._observers = [
            _Observer(model, place, optimizer, detail)
            for place, optimizer in optimizers.items()
            if trained_variables(optimizer)  # one without is applied by no stateless step
        ]
        self._empty = [zeros for each in self._observers for zeros in each.empty]
        self._taken: list[Any] = []
        self._function = second_train_function(model, self._shadows(model))

    def __call__(self, state: Any, iterator: Any) -> Any:
        """Runs Keras' step on the next batches."""
        trainable, others, own, metrics = state
        state = trainable, others, [*own, *self._empty], metrics
        logs, (trainable, others, returned, metrics) = self._function(state, iterator)
        self._taken = list(returned[len(own) :])
        if len(self._taken) != len(self._empty) and self.error is None:
            self.error = ValueError("the model's step does not call its `train_step`")
        return logs, (trainable, others, list(returned[: len(own)]), metrics)

    def take(self) -> list[Updates]:
        """Returns what was taken of the last call."""
        taken = iter(self._taken)
        return [each.updates(taken) for each in self._observers]

    def _shadows(self, model: Any) -> list[Shadow]:
        shadows: list[Shadow] = [(model, "train_step", self._observed_step)]
        if keras.distribution.distribution() is not None:
            places = [each.place for each in self._observers for _ in each.empty]
            shadow = extended_shardings(model, places)
            if shadow is None:
                self.error = ValueError("this version of Keras places outputs in an unknown way")
            else:
                shadows.append(shadow)
        return shadows

    def _observed_step(self, state: Any, data: Any) -> Any:
        """Stands for `train_step`; runs when the step is traced."""
        trainable, others, values, metrics = state
        own = len(values) - len(self._empty)
        given = iter(values[own:])
        for each in self._observers:
            each.begin([next(given) for _ in each.empty])
        with shadowed([each.shadow for each in self._observers]):
            state = trainable, others, values[:own], metrics
            logs, (trainable, others, values, metrics) = self._train_step(state, data)
        taken = [one for each in self._observers for one in each.end()]
        self.error = next((each.error for each in self._observers if each.error), self.error)
        return logs, (trainable, others, [*values, *taken], metrics)


class _Observer:
    """Looks at the updates of one optimizer.

    Attributes:
        error: What went wrong in looking; None if nothing did.
        empty: The statistics of no update.
    """

    def __init__(self, model: Any, place: str, optimizer: Any, detail: Detail) -> None:
        self.error: Exception | None = None
        self._optimizer = optimizer
        self._detail = detail
        self._needs_weights = detail.full or detail.weight_norms
        self._rows = WeightRows(trained_variables(optimizer))
        self._watched = Watched(
            place, self._rows.weights, skips_overflows(optimizer), accumulation_steps(optimizer)
        )
        self._apply = optimizer.stateless_apply
        width = len(self._rows.weights)
        shapes = {"steps": (steps_per_execution(model), detail.columns(width))}
        if detail.full:
            shapes |= {"extremes": (width, 3), "counts": (width, BINS), "moved": (width, 2)}
        self._names = list(shapes)
        self.empty = [np.zeros(shape, np.float32) for shape in shapes.values()]
        self._state: list[Any] = []
        look: Callable[..., list[Any]] = self._look
        self._compiled_look = look if is_compiled(model) else jax.jit(look)

    @property
    def place(self) -> Any:
        """Where the statistics are kept: on each device of the model."""
        mesh = self._rows.weights[0].value.sharding.mesh
        return jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())  # type: ignore[no-untyped-call]

    @property
    def shadow(self) -> Shadow:
        """What stands for the optimizer's method while the step runs."""
        return self._optimizer, "stateless_apply", self._observed_apply

    def updates(self, taken: Iterator[Any]) -> Updates:
        """Returns the next of what steps have returned."""
        tensors = {name: next(taken) for name in self._names}
        return Updates(self._watched, self._detail, tensors)

    def begin(self, given: list[Any]) -> None:
        """Begins a step, with the statistics of the steps before it in the same execution."""
        self._given = self._state = given

    def end(self) -> list[Any]:
        """Returns the statistics with those of the step."""
        try:
            return [each + 0.0 for each in self._state]
        except jax.errors.UnexpectedTracerError as error:
            self.error = error  # the update is within a loop or a condition of the user's step
            return self._given

    def _observed_apply(
        self, optimizer_variables: Any, grads: Any, trainable_variables: Any
    ) -> Any:
        result = self._apply(optimizer_variables, grads, trainable_variables)
        try:
            mapping = zip(self._optimizer.variables, optimizer_variables, strict=True)
            with keras.StatelessScope(state_mapping=list(mapping)):
                scale = scale_in_step(self._optimizer)
                left, sums = self._accumulated()
            before = list(trainable_variables) if self._needs_weights else []
            after = list(result[0]) if self._detail.full else []
            # Else XLA may fuse the statistics into the step, and round that differently.
            values = jax.lax.optimization_barrier(  # type: ignore[no-untyped-call]
                (grads, before, after, scale, left, sums)
            )
            self._state = self._compiled_look(self._state, *values)
        except Exception as error:
            self.error = error
        return result

    def _accumulated(self) -> tuple[Any, list[Any]]:
        """Returns the steps left until the weights are moved, and the sums of their gradients."""
        found = accumulation_in_step(self._optimizer) if self._detail.accumulated else None
        if found is None:
            return 0, []
        return found.left, [found.sums[id(weight)] for weight in self._rows.weights]

    def _look(
        self,
        state: list[Any],
        gradients: list[Any],
        before: list[Any],
        after: list[Any],
        scale: Any,
        left: Any,
        sums: list[Any],
    ) -> list[Any]:
        rows, gradients, _ = self._rows.given(gradients, self._rows.weights)
        values = [numerics.values_of(each, scale) for each in gradients]
        width = len(self._rows.weights)
        norms = numerics.norms(values)
        row = [jnp.ones(1), numerics.placed(norms, rows, width)]
        if self._needs_weights:
            before = [before[row] for row in rows]
        if self._detail.weight_norms:
            row.append(numerics.placed(numerics.norms(before), rows, width))
        if self._detail.accumulated:
            if sums:
                steps = self._watched.accumulation_steps
                pairs = zip(values, (sums[row] for row in rows), strict=True)
                values = [(value + total) / steps for value, total in pairs]
                norms = numerics.norms(values)
            row += [jnp.full(1, left, jnp.float32), numerics.placed(norms, rows, width)]
        taken = jnp.concatenate([state[0][1:], jnp.concatenate(row)[None]])
        if not self._detail.full:
            return [taken]
        after = [after[row] for row in rows]
        moved = numerics.norms([new - old for new, old in zip(after, before, strict=True)])
        full = (
            jnp.stack([numerics.extremes(*each) for each in zip(values, norms, strict=True)]),
            jnp.stack([numerics.counts(each) for each in values]),
            jnp.stack([moved, numerics.norms(before)], 1),
        )
        return [taken, *(numerics.placed(each, rows, width) for each in full)]


RUNTIME_ERRORS: Final[tuple[type[Exception], ...]] = (jax.errors.JaxRuntimeError,)
"""What a step raises while it runs, as opposed to while it is traced."""


def wait_for(result: Any) -> None:
    """Waits until the device has finished a step, whose result this is."""
    jax.block_until_ready(result)  # type: ignore[no-untyped-call]
