"""Every layer, optimizer and metric of Keras, each with a way to use it in a tiny training.

When Keras gets a new one, `test_catalog.py` fails: give it a line in one of the tables, or say in
`NOT_USED` why it has none. The tests of this folder then use it as all the others.

- Layers: `plain_layers.py` (their state is weights), `random_layers.py` (they draw random numbers),
  `unusual_layers.py` (their state is more than that).
- Optimizers: `optimizers.py`. Metrics: `metrics.py`.
"""

from collections.abc import Mapping
from typing import Final

from layers.case import Groups, LayerCase
from layers.catalog.metrics import METRICS
from layers.catalog.optimizers import OPTIMIZERS
from layers.catalog.plain_layers import STATELESS, WITH_WEIGHTS
from layers.catalog.random_layers import RANDOM
from layers.catalog.unusual_layers import UNUSUAL

__all__ = ["GROUPS", "LAYERS", "METRICS", "NOT_USED", "OPTIMIZERS", "STATELESS", "WITH_STATE"]

WITH_STATE: Final[Groups] = {**WITH_WEIGHTS, **RANDOM, **UNUSUAL}
GROUPS: Final[Groups] = {**WITH_STATE, **STATELESS}
LAYERS: Final[tuple[LayerCase, ...]] = tuple(case for group in GROUPS.values() for case in group)

NOT_USED: Final[Mapping[str, str]] = {
    "Layer": "what layers are derived from",
    "Wrapper": "what wrappers are derived from; it calls nothing itself",
    "InputLayer": "part of every model here",
    "Equalization": "Keras 3.15 gives its input back as its output, so a functional model lacks it",
    "Optimizer": "what optimizers are derived from",
    "Metric": "what metrics are derived from",
    "Mean": "takes values, not targets and outputs; Keras' own loss is one in every model here",
    "Sum": "takes values, not targets and outputs",
}
