"""What a model puts out for the validation data."""

import math
from operator import itemgetter
from typing import Any, Final

import numpy as np

from wk_eval.data.predictor import Predictor as CarefulPredictor
from wk_eval.data.samples import Samples
from wk_eval.data.structures import Arrays, map_arrays, with_tuples

_BATCH_SIZE: Final = 32


class Predictor:
    """Predicts examples, in batches of about the same size, without a trace in training.

    Args:
        model: The model.
    """

    def __init__(self, model: Any) -> None:
        self._predict = CarefulPredictor(model)

    def first(self, samples: Samples, count: int = _BATCH_SIZE) -> Arrays:
        """Returns what the model puts out for the first example, with an axis of length 1.

        Args:
            samples: The examples.
            count: How many are predicted, as many as later on: a backend compiles the model anew
                for each size of a batch.
        """
        outputs = self(samples.chosen(np.arange(min(count, samples.count))))
        first: Arrays = map_arrays(itemgetter(slice(1)), outputs)
        return first

    def __call__(self, samples: Samples) -> Arrays:
        """Returns what the model puts out for all examples, with tuples for lists."""
        batches = math.ceil(samples.count / _BATCH_SIZE)
        outputs = self._predict.all_of(samples, math.ceil(samples.count / batches))
        arrays: Arrays = with_tuples(outputs)
        return arrays
