"""The validation data that a callback looks at."""

import itertools
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import wandb

from wk_core.preserved_state import preserve_random_state
from wk_eval.arrays import is_tensor
from wk_eval.samples import Samples, batches_of, draw_samples
from wk_legacy.images.rendering import ImagePainter, checked_range, image_painter


class ValidationData:
    """Validation data: arrays, or batches that are drawn when they are needed.

    All who look at one set of data share one of these, so that each batch of a generator is seen
    by one of them.

    Args:
        data: `(inputs, targets)` arrays, which may be followed by sample weights; or batches of
            such tuples: a generator, a `tf.data.Dataset`, a Keras `PyDataset`, a PyTorch
            `DataLoader` or any other iterable.
        steps: How many batches are the whole of it. Defaults to its length, if it has one.
        image_range: The values that are black and white in images. Defaults to those found out.

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
        if steps is not None and (
            isinstance(steps, bool) or not isinstance(steps, int) or steps < 1
        ):
            raise ValueError(
                "`validation_steps` must be a whole number of batches, 1 or more. Received: "
                f"validation_steps={steps!r}"
            )
        if isinstance(data, list) and data and all(is_tensor(each) for each in data):
            data = tuple(data)
        if not isinstance(data, tuple):
            batches_of(data)
        self._data = data
        self._steps = steps
        self._range = checked_range(image_range)
        self._painters: dict[str, ImagePainter] = {}
        self._batches: Iterator[Any] = iter(())
        self._last: Any = None
        self._whole: Samples | None = None

    def whole(self) -> Samples:
        """Returns all of the data, drawn once: of batches as many as there are `steps`.

        Raises:
            ValueError: If it cannot be told how many batches that is, or if there are fewer.
            TypeError: If batches are not tuples of inputs and targets.
        """
        if self._whole is None:
            with preserve_random_state():
                self._whole = draw_samples(
                    self._data if isinstance(self._data, tuple) else self._all_batches(), None
                )
        return self._whole

    def batch(self) -> Samples:
        """Returns the next batch, and after the last one the first; of arrays all of them.

        Of a generator that has come to its end it returns all that was drawn, or its last batch.

        Raises:
            ValueError: If there is nothing.
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
                "The validation data came to their end and cannot be begun anew: their last batch "
                "is looked at again. A generator has to go on for as long as training does.",
                stacklevel=2,
            )
            self._data = [self._last]
            batch = self._last
        self._last = batch
        return draw_samples([] if batch is None else [batch], None)

    def painter(self, name: str, images: npt.NDArray[Any], *, mask: bool = False) -> ImagePainter:
        """Returns what makes pixels of images, the same one for the same name.

        The values that are black and white are found out the first time, and said.

        Args:
            name: What the images are, as `"input"`.
            images: As many of them as are known.
            mask: Whether they are masks of two classes, which may be numbers 0 and 1.
        """
        if self._range is not None:
            return ImagePainter(*self._range)
        if name not in self._painters:
            painter = self._painters[name] = image_painter(images, mask=mask)
            if images.dtype != np.uint8:
                wandb.termlog(
                    f"Images of {name!r}: {painter.low:g} is shown black and {painter.high:g} "
                    "white; say otherwise with `image_range`."
                )
        return self._painters[name]

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
        except TypeError:  # a generator, or a `tf.data.Dataset` without end
            raise ValueError(
                "`validation_steps` must say how many batches are the whole of the validation "
                f"data, which do not say it themselves. Received: {type(self._data).__name__}"
            ) from None
