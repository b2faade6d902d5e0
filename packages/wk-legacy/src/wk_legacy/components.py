"""The components of a `WandbCallback`, by its arguments."""

from collections.abc import Iterator
from typing import Any

import wandb

from wk_core.compat.keras.hooks import fit_argument
from wk_legacy.arguments import Arguments
from wk_legacy.images.example_images import ExampleImages
from wk_legacy.tables.evaluation_tables import EvaluationTables
from wk_legacy.validation_data import ValidationData
from wk_metrics.gradients.gradient_source import GradientSource
from wk_metrics.row_source import RowSource
from wk_metrics.weights.weight_source import WeightSource


def build_components(arguments: Arguments, run: wandb.Run) -> list[RowSource]:
    """Returns the components that need only the callback's arguments.

    Raises:
        ValueError: If an argument is not acceptable.
        TypeError: If data are of a kind that is not supported.
    """
    components: list[RowSource] = []
    if arguments.log_weights:
        components.append(WeightSource())
    if arguments.log_gradients:
        components.append(GradientSource(arguments.training_data))
    if arguments.data is not None:
        components += _build_for_data(arguments, run, arguments.data, arguments.validation_steps)
    return components


def build_components_of_fit(arguments: Arguments, run: wandb.Run) -> list[RowSource]:
    """Returns the components that show the validation data of the `fit` that begins.

    There are some if the arguments ask for images or tables without data for them.

    Raises:
        ValueError: If `fit` has no validation data either.
    """
    if arguments.data is not None or not (arguments.wants_images or arguments.log_evaluation):
        return []
    data = fit_argument("validation_data")
    if data is None:
        asked = "log_evaluation=True" if arguments.log_evaluation else "input_type or output_type"
        raise ValueError(
            f"WandbCallback was given {asked}, but no validation data to look at: pass "
            "`validation_data=(x, y)` or a `generator` to it, or `validation_data` to `fit`. "
            "Received: validation_data=None, generator=None"
        )
    if isinstance(data, Iterator):
        raise ValueError(
            "WandbCallback cannot look at the validation data of this `fit`, a generator, which "
            "Keras draws from: pass another one as `generator`. Received: generator=None"
        )
    if isinstance(data, tuple):
        data = tuple(each for each in data if each is not None)  # without sample weights
    steps = arguments.validation_steps or fit_argument("validation_steps")
    return _build_for_data(arguments, run, data, steps)


def _build_for_data(
    arguments: Arguments, run: wandb.Run, data: Any, steps: int | None
) -> list[RowSource]:
    shared = ValidationData(data, steps, image_range=arguments.image_range)
    components: list[RowSource] = []
    if arguments.log_evaluation:
        # First, so that tables start at the first batch of a generator.
        components.append(
            EvaluationTables(
                run,
                shared,
                labels=arguments.label_names,
                frequency=arguments.log_evaluation_frequency,
                indexes=arguments.validation_indexes,
                validation_row_processor=arguments.validation_row_processor,
                output_row_processor=arguments.row_processor,
                infer_missing_processors=arguments.infer_missing_processors,
            )
        )
    components.append(
        ExampleImages(
            shared,
            predictions=arguments.predictions,
            input_type=arguments.input_type,
            output_type=arguments.output_type,
            labels=arguments.label_names,
            class_colors=arguments.class_colors,
        )
    )
    return components
