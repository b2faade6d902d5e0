"""Statistics of updates on TensorFlow: variables of their own, assigned within the step."""

from collections.abc import Callable, Collection, Sequence
from functools import reduce
from operator import or_
from typing import Any, Final

import tensorflow as tf

from wk_core.compat.keras.flavour import scale_in_step, steps_per_execution
from wk_core.distribution import replicas_strategy, scope_of
from wk_metrics.gradients.training_steps.backends.grappler import looked_at
from wk_metrics.gradients.training_steps.backends.observer import Observer, StepOfObservers
from wk_metrics.gradients.training_steps.bins import BINS
from wk_metrics.gradients.training_steps.numerics import tensorflow as numerics
from wk_metrics.gradients.training_steps.records import Detail, Updates
from wk_metrics.gradients.training_steps.rows import Given

# Operations whose random numbers go on from call to call of their graph, and those of functions
# that may have some.
_RANDOM: Final = frozenset(
    {
        "If",
        "Multinomial",
        "ParameterizedTruncatedNormal",
        "RandomGamma",
        "RandomPoisson",
        "RandomPoissonV2",
        "RandomShuffle",
        "RandomStandardNormal",
        "RandomUniform",
        "RandomUniformInt",
        "StatefulPartitionedCall",
        "TruncatedNormal",
        "While",
    }
)


def steps_of(
    model: Any, optimizers: dict[str, Any], details: Collection[Detail]
) -> "dict[Detail, StepOfObservers | _Part]":
    """Makes train functions of a model that take statistics.

    The random numbers of a graph go on from call to call, as those of dropout in Keras 2: one graph
    for all details leaves them as they are without a callback. Under XLA, and with several replicas
    of the model, each detail has a graph of its own.
    """
    if bool(getattr(model, "jit_compile", False)) or replicas_strategy(model) is not None:
        return {detail: _step(model, optimizers, detail, None) for detail in details}
    is_full = tf.Variable(initial_value=False, trainable=False)
    everything = reduce(or_, details)
    step = _step(model, optimizers, everything, is_full)
    return {detail: _Part(step, is_full, detail) for detail in details}


def _step(
    model: Any, optimizers: dict[str, Any], detail: Detail, is_full: Any
) -> "StepOfObservers":
    with scope_of(model):
        observers = [
            _Observer(model, place, each, detail, is_full) for place, each in optimizers.items()
        ]
    return StepOfObservers(model, observers, detail)


class _Part:
    """A step that takes a part of the statistics that it can take.

    Args:
        step: The step.
        is_full: The variable in its graph that says whether it is to look in full.
        detail: What is taken.
    """

    def __init__(self, step: StepOfObservers, is_full: Any, detail: Detail) -> None:
        self._step = step
        self._is_full = is_full
        self._detail = detail

    @property
    def error(self) -> Exception | None:
        """What went wrong in looking; None if nothing did."""
        return self._step.error

    @property
    def draws(self) -> bool:
        """Whether the graph of the step has random numbers of its own."""
        return self._step.draws

    def __call__(self, *arguments: Any) -> Any:
        """Runs Keras' step on the next batches."""
        self._is_full.assign(self._detail.full)
        return self._step(*arguments)

    def take(self) -> list[Updates]:
        """Returns what was taken of the last call."""
        return self._step.take(self._detail)


class _Observer(Observer):
    """Assigns the statistics of each update to variables, in the graph of the step."""

    def __init__(
        self, model: Any, place: str, optimizer: Any, detail: Detail, is_full: Any
    ) -> None:
        self._is_full = is_full
        self._steps = steps_per_execution(model)
        self._with_xla = bool(getattr(model, "jit_compile", False))
        self._has_replicas = replicas_strategy(model) is not None
        self._state: dict[str, tf.Variable] = {}
        super().__init__(model, place, optimizer, detail)

    def clear(self) -> None:
        """Forgets what was taken."""
        if self._state:
            self._state["steps"].assign(self._nothing)

    def _tensors(self, detail: Detail) -> dict[str, Any] | None:
        names = self._state if detail.full else ["steps"]
        return {name: self._state[name].read_value() for name in names}

    def _make_state(self, width: int) -> None:
        self._width = width
        shapes = {"steps": (self._steps, self._detail.columns(width))}
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
        self.draws = self.draws or _draws()
        gradients = self._reduced(given)
        if not self._with_xla:
            after = self._state["steps"].read_value()
            gradients = [looked_at(each, after) for each in gradients]
        scale = scale_in_step(self.optimizer)
        is_dense = self._with_xla or self._detail.accumulated
        values = [numerics.values_of(each, scale, is_dense=is_dense) for each in gradients]
        norms = self._norms([each.present for each in values])
        row = [[1.0], self._placed(norms, given)]
        if self._detail.weight_norms:
            weights = [_flat(weight) for weight in given.weights]
            row.append(self._placed(self._norms(weights), given))
        if self._detail.accumulated:
            left = 0.0
            if (accumulation := self._accumulation()) is not None:
                left = tf.cast(accumulation.left, tf.float32)
                sums = [_flat(accumulation.sums[id(weight)]) for weight in given.weights]
                values = [
                    numerics.mean(*each, accumulation.steps)
                    for each in zip(values, sums, strict=True)
                ]
                norms = self._norms([each.present for each in values])
            row += [[left], self._placed(norms, given)]
        steps = self._state["steps"]
        steps.assign(tf.concat([steps.read_value()[1:], [tf.concat(row, 0)]], 0))
        if not self._detail.full:
            return []

        def look_in_full() -> list[Any]:
            pairs = zip(values, tf.unstack(norms), strict=True)
            self._assign("extremes", [numerics.extremes(*each) for each in pairs], given)
            self._assign("counts", [numerics.counts(each) for each in values], given)
            return [_flat(weight) + 0.0 for weight in given.weights]

        return self._if_full(look_in_full, [tf.float32] * len(given.weights))

    def _look_after(self, given: Given, before: Sequence[Any]) -> None:
        def look_in_full() -> list[Any]:
            after = [_flat(weight) for weight in given.weights]
            moved = self._norms([new - old for new, old in zip(after, before, strict=True)])
            self._assign("moved", tf.unstack(tf.stack([moved, self._norms(before)], 1)), given)
            return []

        self._if_full(look_in_full, [])

    def _if_full(self, look: Callable[[], list[Any]], types: list[Any]) -> list[Any]:
        """Returns what `look` returns: flat tensors, empty ones if it is not to look in full."""
        if self._is_full is None:
            return look()
        found = tf.cond(
            self._is_full,
            lambda: [*look(), tf.constant(0)],
            lambda: [*(tf.zeros([0], kind) for kind in types), tf.constant(0)],
        )
        return list(found)[:-1]

    def _norms(self, tensors: Sequence[Any]) -> Any:
        return numerics.norms(tensors, with_xla=self._with_xla)

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


def _flat(weight: Any) -> Any:
    return tf.cast(tf.reshape(tf.convert_to_tensor(weight), [-1]), tf.float32)


def _draws() -> bool:
    """Returns whether the graph that is being traced may have random numbers of its own."""
    if tf.executing_eagerly():
        return False
    graph = tf.compat.v1.get_default_graph()
    return any(operation.type in _RANDOM for operation in graph.get_operations())


RUNTIME_ERRORS: Final[tuple[type[Exception], ...]] = (tf.errors.OpError,)
"""What a step raises while it runs, as opposed to while it is traced."""


def wait_for(result: Any) -> None:
    """Waits until the device has finished a step, whose result this is."""
    for tensor in tf.nest.flatten(result):
        if tf.is_tensor(tensor):
            tensor.numpy()
