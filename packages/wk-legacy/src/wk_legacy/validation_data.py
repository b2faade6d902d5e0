"""The validation data that a callback shows, and a model's predictions for them."""

import itertools
import math
import warnings
from collections.abc import Iterator
from operator import itemgetter
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import wandb

from wk_core.arguments import check_whole_number
from wk_core.data.arrays import describe, is_tensor
from wk_core.data.structures import Arrays, map_arrays, with_tuples
from wk_core.preserved_state import preserve_random_state
from wk_eval.data.predictor import Predictor as BatchPredictor
from wk_eval.data.samples import Samples, batches_of, draw_samples
from wk_eval.data.structures import named
from wk_legacy.images.rendering import ImageRenderer, checked_range, image_renderer

_BATCH_SIZE: Final = 32


class ValidationData:
    """Validation data: arrays, or batches that are drawn when they are needed.

    Everything that shows one set of data shares one instance, so that each batch of a generator is
    drawn once.

    Args:
        data: `(inputs, targets)` arrays, which may be followed by sample weights; or batches of
            such tuples: a generator, a `tf.data.Dataset`, a Keras `PyDataset`, a PyTorch
            `DataLoader` or any other iterable.
        steps: The number of batches in all of the data. Defaults to its length, if it has one.
        image_range: The values that are black and white in images. Defaults to None: the data
            decide.

    Raises:
        TypeError: If data are not as above.
        ValueError: If `steps` or `image_range` are not as above.
    """

    def __init__(
        self,
        data: Any,
        steps: int | None = None,
        *,
        image_range: tuple[float, float] | None = None,
    ) -> None:
        if steps is not None:
            steps = check_whole_number(steps, "validation_steps", of="batches", or_else="None")
        if isinstance(data, list) and data and all(is_tensor(each) for each in data):
            data = tuple(data)
        if not isinstance(data, tuple):
            batches_of(data)
        self._data = data
        self._steps = steps
        self._range = checked_range(image_range)
        self._renderers: dict[str, ImageRenderer] = {}
        self._batches: Iterator[Any] = iter(())
        self._last: Any = None
        self._whole: Samples | None = None

    def whole(self) -> Samples:
        """Returns all of the data; of data in batches, the first `steps` batches, drawn once.

        Raises:
            ValueError: If the number of batches is unknown, or if there are fewer.
            TypeError: If batches are not tuples of inputs and targets.
        """
        if self._whole is None:
            with preserve_random_state():
                self._whole = draw_samples(
                    self._data if isinstance(self._data, tuple) else self._all_batches(), None
                )
        return self._whole

    def columns(self) -> dict[str, npt.NDArray[Any]]:
        """Returns all of the data as columns of a table: targets and inputs, by name.

        Raises:
            ValueError: As `whole`, or if inputs and targets have names in common.
            TypeError: As `whole`.
        """
        samples = self.whole()
        targets, inputs = named(samples.targets, "target"), samples.named_inputs()
        if common := sorted(set(targets) & set(inputs)):
            raise ValueError(
                "Inputs and targets are columns of one table and need different names. Received: "
                f"{common} in both; inputs={describe(inputs)}, targets={describe(targets)}"
            )
        return {**targets, **inputs}

    def batch(self) -> Samples:
        """Returns the next batch, and after the last batch the first; of arrays, all of them.

        If a generator is exhausted, it returns what `whole` drew before, or else the last batch.

        Raises:
            ValueError: If there are no examples.
            TypeError: If batches are not tuples of inputs and targets.
        """
        if isinstance(self._data, tuple):
            return self.whole()
        batch = next(self._batches, None)
        if batch is None:
            self._batches = iter(batches_of(self._data))
            batch = next(self._batches, None)
        if batch is None and self._whole is not None:
            return self._whole
        if batch is None and self._last is not None:
            warnings.warn(
                "The validation data are exhausted and cannot be iterated again: their last batch "
                "is looked at again. A generator must not end before training does.",
                stacklevel=2,
            )
            self._data = [self._last]
            batch = self._last
        self._last = batch
        return draw_samples([] if batch is None else [batch], None)

    def renderer(self, name: str, images: npt.NDArray[Any], *, mask: bool = False) -> ImageRenderer:
        """Returns the renderer of the images of this name.

        The first call for a name decides which values are black and white, and prints them.

        Args:
            name: What the images are, as `"input"`.
            images: All images that are known.
            mask: Whether they are masks of two classes, which may be indices 0 and 1.
        """
        if self._range is not None:
            return ImageRenderer(*self._range)
        if name not in self._renderers:
            renderer = self._renderers[name] = image_renderer(images, mask=mask)
            if images.dtype != np.uint8:
                wandb.termlog(
                    f"Images of {name!r}: {renderer.low:g} is shown black and {renderer.high:g} "
                    "white. Pass `image_range` to change it."
                )
        return self._renderers[name]

    def _all_batches(self) -> list[Any]:
        count = self._count()
        batches = list(itertools.islice(batches_of(self._data), count))
        if len(batches) < count:
            raise ValueError(
                f"There are not as many batches of validation data as `validation_steps` says. "
                f"Received: validation_steps={count}, {len(batches)} batches"
            )
        return batches

    def _count(self) -> int:
        if self._steps is not None:
            return self._steps
        try:
            return len(self._data)
        except TypeError:  # a generator, or an infinite `tf.data.Dataset`
            raise ValueError(
                "`validation_steps` must say how many batches the validation data have, which have "
                f"no length. Received: {type(self._data).__name__}"
            ) from None


class Predictor:
    """Predicts examples in batches of nearly equal size, without side effects on training.

    Args:
        model: The model.
    """

    def __init__(self, model: Any) -> None:
        self._predict = BatchPredictor(model)

    def first(self, samples: Samples, count: int = _BATCH_SIZE) -> Arrays:
        """Returns the output for the first example, with an axis of length 1.

        Args:
            samples: The examples.
            count: How many examples to predict for it. Pass the number that later calls have: a
                backend compiles the model for each batch size.
        """
        outputs = self(samples.chosen(np.arange(min(count, samples.count))))
        first: Arrays = map_arrays(itemgetter(slice(1)), outputs)
        return first

    def __call__(self, samples: Samples) -> Arrays:
        """Returns the outputs for all examples, in tuples if the model returns lists."""
        batches = math.ceil(samples.count / _BATCH_SIZE)
        outputs = self._predict.all_of(samples, math.ceil(samples.count / batches))
        arrays: Arrays = with_tuples(outputs)
        return arrays


def output_columns(outputs: Arrays) -> dict[str, npt.NDArray[Any]]:
    """Returns the outputs of a model as columns of a table, by name."""
    return named(outputs, "output")
