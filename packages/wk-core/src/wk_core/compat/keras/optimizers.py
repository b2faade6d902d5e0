"""Which optimizers a model has, by where they are, and how often each has been applied.

Not every optimizer is the one of `compile`, and not every one is of Keras' present class: an
object is an optimizer if it can be applied, counts its `iterations` and has a learning rate.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, Final

from wk_core.compat.entries import stands_on
from wk_core.compat.keras.flavour import keras, optimizer_parts
from wk_core.compat.keras.training import read_scalar

__all__ = [
    "awaits_parts",
    "batches_trained",
    "build_optimizer",
    "counting_optimizer",
    "find_optimizers",
    "has_own_step",
    "is_optimizer",
    "learning_rate_setting",
    "parts_of",
    "trained_batches",
    "unwrap_optimizer",
]

# How many entries of a list, a tuple or a dictionary are looked at: a model's own data may be long.
_ENTRIES: Final = 1_000
# What most attributes are, and where Keras keeps what is no optimizer: left out for speed.
_PLAIN: Final = frozenset({str, int, float, bool, type(None), set})
_GRAPH: Final = frozenset(
    {"_inbound_nodes", "_outbound_nodes", "_nodes", "_nodes_by_depth", "_tensor_usage_count"}
)


def find_optimizers(model: Any) -> dict[str, Any]:
    """Finds the optimizers of a model, and of the layers and models in it, by their place.

    The place is `optimizer` for the one of `compile`, else the names of the attributes that lead
    to it: `d_optimizer`, `optimizers/0` in a list, `optimizers/fast` in a dictionary, or
    `generator/optimizer` for the one with which a model in the attribute `generator` was compiled.

    Each is found once, at its shortest place, and as it stands: what scales the loss around it
    (`unwrap_optimizer`), and what divides the variables among several (`parts_of`), included.

    Args:
        model: A model, compiled or not. Nothing of it is changed.

    Returns:
        The optimizers by place, that of `compile` first.
    """
    found: dict[str, Any] = {}
    known: set[int] = set()
    for place, value in _walk(model):
        inner = unwrap_optimizer(value)
        if id(inner) not in known:
            found[place] = value
        known.update({id(inner), *map(id, parts_of(inner))})
    return found


def parts_of(optimizer: Any) -> list[Any]:
    """Returns the optimizers among which a `MultiOptimizer` divides the variables; else none."""
    return optimizer_parts(unwrap_optimizer(optimizer)) or []


def awaits_parts(optimizer: Any) -> bool:
    """Returns whether an optimizer divides the variables among others that are not known yet.

    It has no rate of its own, although it holds one, as Keras' base class does.
    """
    return optimizer_parts(unwrap_optimizer(optimizer)) == []


def is_optimizer(value: Any) -> bool:
    """Returns whether an object can be applied, counts its iterations and has a learning rate.

    Keras 2 has two families of optimizers without a class in common, and wrappers of both.
    """
    if isinstance(value, keras.optimizers.Optimizer):
        return True
    return (
        _has(value, "iterations")
        and _has(value, "apply_gradients", "apply")
        and _has(value, "learning_rate", "_learning_rate", "_hyper")
        and not isinstance(value, type)
    )


def unwrap_optimizer(optimizer: Any) -> Any:
    """Returns the optimizer that a `LossScaleOptimizer` wraps, or the optimizer itself."""
    while (inner := getattr(optimizer, "inner_optimizer", None)) is not None:
        optimizer = inner
    return optimizer


@stands_on(
    "optimizer._learning_rate",
    why="the public `learning_rate` evaluates a schedule, eagerly, which takes milliseconds",
    versions="Keras 3.0 to 3.15, Keras 2",
    without="the rate of a schedule or a function is left out: the public one is the next batch's",
)
def learning_rate_setting(optimizer: Any) -> Any:
    """Returns an optimizer's learning rate as it was set: a variable, a schedule or a callable.

    Raises:
        AttributeError: If Keras says nothing of a schedule but its present value.
    """
    optimizer = unwrap_optimizer(optimizer)
    if _has(optimizer, "_hyper"):  # the older family of Keras 2
        setting = optimizer._hyper["learning_rate"]
        return setting if callable(setting) else optimizer.learning_rate
    if hasattr(optimizer, "_learning_rate"):
        return optimizer._learning_rate
    rate = optimizer.learning_rate
    if not hasattr(rate, "assign"):
        raise AttributeError("this version of Keras does not say what computes the learning rate")
    return rate


def build_optimizer(optimizer: Any, variables: list[Any]) -> None:
    """Makes an optimizer's variables for trainable variables, where it has not made them yet."""
    if not hasattr(optimizer, "build"):  # the older family of Keras 2
        optimizer._create_all_weights(variables)
    elif not getattr(optimizer, "built", False):
        optimizer.build(variables)


@stands_on(
    "optimizer._iterations",
    why="the public `iterations` counts updates, which are fewer under gradient accumulation",
    versions="Keras 3.5 to 3.15, Keras 2",
    without="it is looked for by its name, `iteration`, among the optimizer's variables",
)
def batches_trained(optimizer: Any) -> int:
    """Returns how often an optimizer has been applied: once a batch in Keras' own training step.

    A mixed-precision step that was skipped for an overflow does not count.
    """
    optimizer = unwrap_optimizer(optimizer)
    if hasattr(optimizer, "_iterations"):
        count = optimizer._iterations  # of the older family of Keras 2: None before its first use
    elif isinstance(optimizer, keras.optimizers.Optimizer):
        named = (each for each in optimizer.variables if each.name == "iteration")
        count = next(named, optimizer.iterations)
    else:
        count = optimizer.iterations  # an optimizer of the user's
    if count is None:
        return 0
    return int(read_scalar(count)) if hasattr(count, "numpy") else int(count)


def trained_batches(model: Any) -> int | None:
    """Returns how often a model's optimizer has been applied; None without one.

    Of several optimizers the one of `compile` counts, and where that one is not used, as beside
    those in a GAN's attributes, the one that was applied most often.
    """
    main = getattr(model, "optimizer", None)
    if is_optimizer(main) and (count := batches_trained(main)) > 0:
        return count
    return max(map(batches_trained, find_optimizers(model).values()), default=None)


def counting_optimizer(model: Any) -> Any:
    """Returns the optimizer whose count is that of the batches; None where there is none.

    That is the one of `compile` under Keras' own training step: a step of the user's may apply it
    several times a batch, or once in several batches, and so may an optimizer of the user's.
    """
    optimizer = getattr(model, "optimizer", None)
    if not is_optimizer(optimizer) or has_own_step(model):
        return None
    kind = type(unwrap_optimizer(optimizer))
    applies = [getattr(kind, name, None) for name in ("apply", "apply_gradients")]
    return optimizer if all(map(_is_keras_own, filter(None, applies))) else None


def has_own_step(model: Any) -> bool:
    """Returns whether a model trains in another way than Keras', which applies `optimizer` once."""
    names = ("train_step", "make_train_function")
    return any(
        name in vars(model) or getattr(type(model), name, None) is not getattr(keras.Model, name)
        for name in names
    )


def _is_keras_own(function: Any) -> bool:
    return str(getattr(function, "__module__", "")).partition(".")[0] in ("keras", "tf_keras")


def _walk(model: Any) -> Iterator[tuple[str, Any]]:
    """Searches what a model holds, by place, shortest places first; yields optimizers."""
    waiting: deque[tuple[str, Any]] = deque([("", model)])
    seen = {id(model)}
    while waiting:
        place, holder = waiting.popleft()
        for name, value in _entries(holder):
            if type(value) in _PLAIN or name in _GRAPH or id(value) in seen:
                continue
            seen.add(id(value))
            here = f"{place}/{name}" if place else name
            if isinstance(value, (keras.layers.Layer, list, tuple, dict)):
                waiting.append((here, value))
            elif is_optimizer(value):
                yield here, value


def _entries(holder: Any) -> Iterator[tuple[str, Any]]:
    """Returns what a model, a layer or a container holds, by name."""
    if isinstance(holder, keras.layers.Layer):
        yield "optimizer", getattr(holder, "optimizer", None)
        # On PyTorch, attributes that are layers or models lie in `_modules`.
        attributes = {**vars(holder), **vars(holder).get("_modules", {}), "_modules": None}
        # Keras' own names for what has another one, too, begin so.
        yield from sorted(attributes.items(), key=lambda entry: entry[0].startswith("_"))
        for layer in holder._flatten_layers(include_self=False, recursive=False):
            yield layer.name, layer
        return
    entries = holder.items() if isinstance(holder, Mapping) else enumerate(holder)
    for _, (name, value) in zip(range(_ENTRIES), entries, strict=False):
        yield str(name), value


def _has(value: Any, *names: str) -> bool:
    """Returns whether an object has one of these attributes, without asking for its value."""
    own = getattr(value, "__dict__", ())
    return any(hasattr(type(value), name) or name in own for name in names)
