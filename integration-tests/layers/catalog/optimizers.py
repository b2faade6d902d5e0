"""Uses of the optimizers, and of what every one of them can be told."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from layers.case import making, missing_class
from wk_core.compat.keras.flavour import keras

__all__ = ["OPTIMIZERS", "OptimizerCase"]

O = keras.optimizers  # noqa: E741  short, in a table


@dataclass(frozen=True)
class OptimizerCase:
    """One use of an optimizer.

    Args:
        name: What its tests are called.
        make: Makes the optimizer.
        missing: What an earlier version of Keras lacks for it; empty where nothing is missing.
    """

    name: str
    make: Callable[[], Any]
    missing: str = ""

    def __str__(self) -> str:
        return self.name


_PLAIN = (
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Ftrl",
    "Lamb",
    "Lion",
    "Muon",
    "Nadam",
    "RMSprop",
    "SGD",
    "ScheduleFreeAdamW",
)


def _several() -> Any:
    """Returns an optimizer that hands kernels to one and biases to another."""
    return O.MultiOptimizer(O.OptimizerMap(O.Adam(0.01), {".*bias": O.SGD(0.01, momentum=0.9)}))


OPTIMIZERS: tuple[OptimizerCase, ...] = (
    *(OptimizerCase(name, making(O, name, 0.01), missing_class(O, name)) for name in _PLAIN),
    OptimizerCase("Adam with amsgrad", lambda: O.Adam(0.01, amsgrad=True)),
    OptimizerCase("RMSprop, centered", lambda: O.RMSprop(0.01, momentum=0.9, centered=True)),
    OptimizerCase("SGD with momentum", lambda: O.SGD(0.01, momentum=0.9, nesterov=True)),
    OptimizerCase("SGD with weight decay", lambda: O.SGD(0.01, weight_decay=0.01)),
    OptimizerCase("SGD with clipnorm", lambda: O.SGD(0.1, clipnorm=0.01)),
    OptimizerCase("SGD with clipvalue", lambda: O.SGD(0.1, clipvalue=0.01)),
    OptimizerCase("SGD with global_clipnorm", lambda: O.SGD(0.1, global_clipnorm=0.01)),
    OptimizerCase(
        "Adam with a moving average",
        lambda: O.Adam(0.01, use_ema=True, ema_momentum=0.5, ema_overwrite_frequency=2),
    ),
    OptimizerCase(
        "Adam with accumulated gradients", lambda: O.Adam(0.01, gradient_accumulation_steps=2)
    ),
    OptimizerCase(
        "Adam with accumulated gradients and a moving average",
        lambda: O.Adam(0.01, gradient_accumulation_steps=2, use_ema=True, ema_momentum=0.5),
    ),
    OptimizerCase("Adam with loss_scale_factor", lambda: O.Adam(0.01, loss_scale_factor=8.0)),
    OptimizerCase(
        "Adam with a schedule",
        lambda: O.Adam(O.schedules.ExponentialDecay(0.1, 1, 0.5)),
    ),
    OptimizerCase("LossScaleOptimizer", lambda: O.LossScaleOptimizer(O.Adam(0.01))),
    OptimizerCase(
        "LossScaleOptimizer that raises its scale",
        lambda: O.LossScaleOptimizer(O.SGD(0.01, momentum=0.9), dynamic_growth_steps=2),
    ),
    OptimizerCase("MultiOptimizer", _several, missing_class(O, "MultiOptimizer")),
)
