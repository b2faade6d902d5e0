"""What `WandbCallback` accepts, checked before anything is written."""

import difflib
from collections.abc import Callable, Collection, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import wandb

from wk_eval.labels import Labels
from wk_legacy.images.kinds import checked_kind, is_picture
from wk_legacy.images.rendering import checked_colors, checked_range
from wk_legacy.migration import RENAMED, SUCCESSORS

__all__ = ["Arguments", "refuse_unknown", "renamed"]

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

    An argument of something that is switched off is not looked at further.

    Raises:
        ValueError: If one is not acceptable, or if they do not go together.
        TypeError: If one is not of an acceptable kind.
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
        self._check_choice("mode", ("auto", "min", "max"))
        is_level = isinstance(self.verbose, (int, np.integer, np.bool_)) and self.verbose >= 0
        self._check("verbose", is_level, "0, or 1 or more to say what is saved")
        for flag in _FLAGS:
            self._check_choice(flag, (True, False))
        for processor in _PROCESSORS:
            given = getattr(self, processor)
            self._check(processor, given is None or callable(given), "a function, or None")
        self._check(
            "labels", _are_labels(self.labels), "the names of classes, in a list or by number"
        )
        self._check_count("predictions", least=1)
        self._check_count("log_evaluation_frequency", least=0)
        if self.log_batch_frequency is not None:
            self._check_count("log_batch_frequency", least=0, otherwise=", or None for no batches")
        if self.validation_steps is not None:
            self._check_count("validation_steps", least=1, otherwise=", or None")
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
        return self  # nobody changes them: copies of a callback share their data

    @property
    def batch_frequency(self) -> int | None:
        """Every how many batches what Keras reports is logged; None for not at all, as is 0."""
        return self.log_batch_frequency or None

    @property
    def row_processor(self) -> Callable[..., Any] | None:
        """The processor of predictions, under whichever of its two names it was given."""
        return self.output_row_processor or self.prediction_row_processor

    @property
    def names(self) -> Labels | None:
        """The names of classes; None where there are none."""
        if isinstance(self.labels, Mapping):
            return dict(self.labels) or None
        return None if self.labels is None else list(self.labels) or None

    @property
    def data(self) -> Any:
        """What to validate with; None where nothing was given."""
        return self.validation_data if self.generator is None else self.generator

    @property
    def wants_pictures(self) -> bool:
        """Whether it is said that the model takes or makes pictures."""
        kinds = (self.input_type, self.output_type)
        return any(is_picture(checked_kind("input_type", kind)) for kind in kinds)

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

    def _check_choice(self, name: str, accepted: Collection[Any]) -> None:
        value = getattr(self, name)
        is_scalar = isinstance(value, (str, int, np.integer, np.bool_))
        self._check(name, is_scalar and value in accepted, " or ".join(map(repr, accepted)))

    def _check_count(self, name: str, *, least: int, otherwise: str = "") -> None:
        value = getattr(self, name)
        is_whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
        is_count = is_whole and value >= least
        self._check(name, is_count, f"a whole number, {least} or more{otherwise}")
        object.__setattr__(self, name, int(value))  # NumPy's numbers, too


def _are_labels(labels: Any) -> bool:
    """Tells whether labels are any sequence or array with a name for each class, or a mapping."""
    if labels is None or isinstance(labels, Mapping):
        return True
    has_items = hasattr(labels, "__len__") and hasattr(labels, "__getitem__")
    return has_items and not isinstance(labels, (str, bytes, Set))


def renamed(given: Mapping[str, Any]) -> dict[str, Any]:
    """Returns arguments under the names that they have today; says which are meant, once.

    Args:
        given: Arguments by name, of which some may have names of older releases.
    """
    known = dict(given)
    for old, new in RENAMED.items():
        value = known.pop(old, None)
        if value is not None:
            wandb.termwarn(f"WandbCallback takes `{old}={value!r}` as `{new}={value!r}`.")
            known[new] = value
    return known


def refuse_unknown(unknown: Mapping[str, Any], known: Collection[str]) -> None:
    """Raises TypeError if there is an argument that is not known, with the nearest one that is."""
    for name in unknown:
        near = next(iter(difflib.get_close_matches(name, known, 1)), None)
        if near is not None:
            advice = f"Did you mean `{near}`?"
        else:
            advice = f"Its arguments are: {', '.join(known)}."
        raise TypeError(f"`{name}` is not an argument of WandbCallback. {advice}")
