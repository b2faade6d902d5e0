"""What a `WandbCallback` is made of, by its arguments."""

from collections.abc import Iterator
from typing import Any

import wandb

from wk_core.callbacks import argument_of_fit
from wk_legacy.arguments import Arguments
from wk_legacy.gradient_part import GradientPart
from wk_legacy.images.example_images import ExamplePictures
from wk_legacy.part import Part
from wk_legacy.tables.evaluation_tables import EvaluationTables
from wk_legacy.validation_data import ValidationData
from wk_legacy.weight_part import WeightPart


def parts_of(arguments: Arguments, run: wandb.Run) -> list[Part]:
    """Returns the parts that need no more than their arguments.

    Raises:
        ValueError: If an argument is not acceptable.
        TypeError: If data are of no kind that can be looked at.
    """
    parts: list[Part] = []
    if arguments.log_weights:
        parts.append(WeightPart())
    if arguments.log_gradients:
        parts.append(GradientPart(arguments.training_data))
    if arguments.data is not None:
        parts += _validating_parts(arguments, run, arguments.data, arguments.validation_steps)
    return parts


def parts_in_fit(arguments: Arguments, run: wandb.Run) -> list[Part]:
    """Returns the parts that look at the validation data of the `fit` that begins.

    These are asked for, but were given no data of their own.

    Raises:
        ValueError: If `fit` has none either.
    """
    if arguments.data is not None or not (arguments.wants_pictures or arguments.log_evaluation):
        return []
    data = argument_of_fit("validation_data")
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
        data = tuple(each for each in data if each is not None)  # no sample weights
    steps = arguments.validation_steps or argument_of_fit("validation_steps")
    return _validating_parts(arguments, run, data, steps)


def _validating_parts(
    arguments: Arguments, run: wandb.Run, data: Any, steps: int | None
) -> list[Part]:
    shared = ValidationData(data, steps, image_range=arguments.image_range)
    parts: list[Part] = []
    if arguments.log_evaluation:
        # First, so that tables of a generator's batches begin with the first one.
        parts.append(
            EvaluationTables(
                run,
                shared,
                labels=arguments.names,
                frequency=arguments.log_evaluation_frequency,
                indexes=arguments.validation_indexes,
                validation_row_processor=arguments.validation_row_processor,
                output_row_processor=arguments.row_processor,
                infer_missing_processors=arguments.infer_missing_processors,
            )
        )
    parts.append(
        ExamplePictures(
            shared,
            predictions=arguments.predictions,
            input_type=arguments.input_type,
            output_type=arguments.output_type,
            labels=arguments.names,
            class_colors=arguments.class_colors,
        )
    )
    return parts
