"""Statistics of updates on TensorFlow: variables of their own, assigned within the step."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from wk_core.compat.keras.flavour import scale_in_step, steps_per_execution
from wk_core.distribution import replicas_strategy, scope_of
from wk_metrics.gradients.training_steps.backends.grappler import looked_at
from wk_metrics.gradients.training_steps.backends.observer import Observer, StepOfObservers
from wk_metrics.gradients.training_steps.bins import BINS
from wk_metrics.gradients.training_steps.numerics import tensorflow as numerics
from wk_metrics.gradients.training_steps.records import Detail
from wk_metrics.gradients.training_steps.rows import Given


def of_model(model: Any, optimizers: dict[str, Any], detail: Detail) -> StepOfObservers:
    """Makes a train function of a model that takes statistics."""
    with scope_of(model):
        observers = [_Observer(model, place, each, detail) for place, each in optimizers.items()]
    return StepOfObservers(model, observers)


class _Observer(Observer):
    """Assigns the statistics of each update to variables, in the graph of the step."""

    def __init__(self, model: Any, place: str, optimizer: Any, detail: Detail) -> None:
        self._steps = steps_per_execution(model)
        self._with_xla = bool(getattr(model, "jit_compile", False))
        self._has_replicas = replicas_strategy(model) is not None
        self._state: dict[str, tf.Variable] = {}
        super().__init__(model, place, optimizer, detail)

    def clear(self) -> None:
        """Forgets what was taken."""
        if self._state:
            self._state["steps"].assign(self._nothing)

    def _tensors(self) -> dict[str, Any] | None:
        return {name: variable.read_value() for name, variable in self._state.items()}

    def _make_state(self, width: int) -> None:
        self._width = width
        columns = 1 + width * (2 if self._detail.weight_norms else 1)
        shapes = {"steps": (self._steps, columns)}
        if self._detail.full:
            shapes |= {"extremes": (width, 3), "counts": (width, BINS), "moved": (width, 2)}
        kind: dict[str, Any] = {}
        if self._has_replicas:  # each has the same sums
            kind["synchronization"] = tf.VariableSynchronization.ON_READ
            kind["aggregation"] = tf.VariableAggregation.ONLY_FIRST_REPLICA
        with tf.init_scope():
            self._nothing = tf.zeros(shapes["steps"])
            self._state = {
                name: tf.Variable(tf.zeros(shape), trainable=False, **kind)
                for name, shape in shapes.items()
            }

    def _look(self, given: Given) -> Sequence[Any]:
        gradients = self._reduced(given)
        if not self._with_xla:
            after = self._state["steps"].read_value()
            gradients = [looked_at(each, after) for each in gradients]
        scale = scale_in_step(self.optimizer)
        values = [numerics.values_of(each, scale, with_xla=self._with_xla) for each in gradients]
        weights = [tf.convert_to_tensor(weight) for weight in given.weights]
        norms = numerics.norms([each.present for each in values])
        row = [[1.0], self._placed(norms, given)]
        if self._detail.weight_norms:
            row.append(self._placed(numerics.norms(weights), given))
        steps = self._state["steps"]
        steps.assign(tf.concat([steps.read_value()[1:], [tf.concat(row, 0)]], 0))
        if self._detail.full:
            self._assign("extremes", [numerics.extremes(each) for each in values], given)
            self._assign("counts", [numerics.counts(each) for each in values], given)
        return weights

    def _look_after(self, given: Given, before: Sequence[Any]) -> None:
        after = [tf.convert_to_tensor(weight) for weight in given.weights]
        moved = numerics.norms([new - old for new, old in zip(after, before, strict=True)])
        self._assign("moved", tf.unstack(tf.stack([moved, numerics.norms(before)], 1)), given)

    def _reduced(self, given: Given) -> list[Any]:
        """Returns the gradients of all replicas together."""
        if not self._has_replicas:
            return given.gradients
        dense = [tf.convert_to_tensor(each) for each in given.gradients]
        total = tf.distribute.ReduceOp.SUM
        reduced: list[Any] = tf.distribute.get_replica_context().all_reduce(total, dense)
        return reduced

    def _assign(self, name: str, values: list[Any], given: Given) -> None:
        self._state[name].assign(self._placed(tf.stack(values), given))

    def _placed(self, values: Any, given: Given) -> Any:
        return numerics.placed(values, given.rows, self._width)
