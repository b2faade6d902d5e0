"""The arguments of `WandbCallback`, checked before anything is written."""

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np

from wk_core.arguments import check_choice, check_whole_number, is_whole_number
from wk_eval.data.labels import class_names
from wk_legacy.images.kinds import checked_kind, is_image
from wk_legacy.images.rendering import checked_colors, checked_range
from wk_legacy.migration import SUCCESSORS

_FLAGS: Final = (
    "save_weights_only",
    "log_weights",
    "log_gradients",
    "save_model",
    "log_evaluation",
    "save_graph",
    "infer_missing_processors",
    "compute_flops",
)
_PROCESSORS: Final = (
    "validation_row_processor",
    "prediction_row_processor",
    "output_row_processor",
)


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """The arguments of a `WandbCallback`, as it documents them.

    Arguments of features that are switched off are not checked further.

    Raises:
        ValueError: If an argument is not acceptable, or if two exclude each other.
        TypeError: If an argument has the wrong type.
    """

    monitor: str
    verbose: int
    mode: Literal["auto", "min", "max"]
    save_weights_only: bool
    log_weights: bool
    log_gradients: bool
    save_model: bool
    training_data: Any
    validation_data: Any
    labels: Any
    predictions: int
    generator: Any
    input_type: str | None
    output_type: str | None
    log_evaluation: bool
    validation_steps: int | None
    class_colors: Any
    log_batch_frequency: int | None
    log_best_prefix: str | None
    save_graph: bool
    validation_indexes: Sequence[Any] | None
    validation_row_processor: Callable[..., Any] | None
    prediction_row_processor: Callable[..., Any] | None
    output_row_processor: Callable[..., Any] | None
    infer_missing_processors: bool
    log_evaluation_frequency: int
    compute_flops: bool
    image_range: tuple[float, float] | None

    def __post_init__(self) -> None:
        self._check("monitor", isinstance(self.monitor, str) and self.monitor, "a metric's name")
        check_choice(self.mode, "mode", ("auto", "min", "max"))
        is_level = _is_whole_number_or_flag(self.verbose) and self.verbose >= 0
        self._check("verbose", is_level, "0, or 1 or more to say what is saved")
        for flag in _FLAGS:
            value = getattr(self, flag)
            is_flag = _is_whole_number_or_flag(value) and value in (True, False)
            self._check(flag, is_flag, "True or False")
        for processor in _PROCESSORS:
            given = getattr(self, processor)
            self._check(processor, given is None or callable(given), "a function, or None")
        self._check(
            "labels", _are_labels(self.labels), "the names of classes, in a list or by number"
        )
        self._check_count("predictions", of="examples", least=1)
        self._check_count("log_evaluation_frequency", of="epochs", least=0)
        if self.log_batch_frequency is not None:
            none = "None for no batches"
            self._check_count("log_batch_frequency", of="batches", least=0, or_else=none)
        if self.validation_steps is not None:
            self._check_count("validation_steps", of="batches", least=1, or_else="None")
        self._check(
            "log_best_prefix",
            self.log_best_prefix is None or isinstance(self.log_best_prefix, str),
            "a text, or None for no entries of the best epoch",
        )
        checked_kind("input_type", self.input_type)
        checked_kind("output_type", self.output_type)
        checked_colors(self.class_colors)
        checked_range(self.image_range)
        self._check_combinations()

    def __deepcopy__(self, memo: dict[int, Any]) -> "Arguments":
        return self  # immutable: copies of a callback share the data

    @property
    def batch_frequency(self) -> int | None:
        """The number of batches between two rows of batches; None for no such rows, as is 0."""
        return self.log_batch_frequency or None

    @property
    def row_processor(self) -> Callable[..., Any] | None:
        """The processor of predictions, under either of its two names."""
        return self.output_row_processor or self.prediction_row_processor

    @property
    def label_names(self) -> list[str] | None:
        """The names of the classes; None if there are none.

        Raises:
            ValueError: If two names are the same, or if names by number leave out a number.
        """
        if self.labels is None or len(self.labels) == 0:
            return None
        return class_names(self.labels if isinstance(self.labels, Mapping) else list(self.labels))

    @property
    def data(self) -> Any:
        """The validation data, from either of two arguments; None if there are none."""
        return self.validation_data if self.generator is None else self.generator

    @property
    def wants_images(self) -> bool:
        """Whether the arguments say that the model's input or output can be shown as images."""
        kinds = (self.input_type, self.output_type)
        return any(is_image(checked_kind("input_type", kind)) for kind in kinds)

    def _check_combinations(self) -> None:
        if self.log_gradients and self.training_data is None:
            raise ValueError(
                "`log_gradients=True` needs the data to take the gradients over: pass "
                "`training_data=(x, y)`. Received: training_data=None. In new code that is "
                f"{SUCCESSORS['log_gradients']}."
            )
        processors = (self.prediction_row_processor, self.output_row_processor)
        if None not in processors and processors[0] is not processors[1]:
            raise ValueError(
                "`prediction_row_processor` and `output_row_processor` are two names of one "
                f"argument: pass one. Received: prediction_row_processor={processors[0]!r}, "
                f"output_row_processor={processors[1]!r}"
            )

    def _check(self, name: str, condition: Any, accepted: str) -> None:
        if not condition:
            value = getattr(self, name)
            raise ValueError(f"`{name}` must be {accepted}. Received: {name}={value!r}")

    def _check_count(self, name: str, *, of: str, least: int, or_else: str = "") -> None:
        count = check_whole_number(getattr(self, name), name, of=of, least=least, or_else=or_else)
        object.__setattr__(self, name, count)  # an `int` for NumPy's numbers, too


def _is_whole_number_or_flag(value: Any) -> bool:
    return is_whole_number(value) or isinstance(value, (bool, np.bool_))


def _are_labels(labels: Any) -> bool:
    """Returns whether labels are a sequence, an array or a mapping."""
    if labels is None or isinstance(labels, Mapping):
        return True
    has_items = hasattr(labels, "__len__") and hasattr(labels, "__getitem__")
    return has_items and not isinstance(labels, (str, bytes, Set))
