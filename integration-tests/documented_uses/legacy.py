"""The documented uses of wk-legacy."""

import json
from pathlib import Path
from typing import Any, Final

import wandb

from documented_uses.evaluation import CLASSES, IMAGES, image_classifier
from documented_uses.recorder import Recorder
from documented_uses.training import VALIDATION, X, Y, fit, linear_model, sgd, with_weights
from documented_uses.use import use
from wk_checkpoint import restore
from wk_core.compat.keras.flavour import keras
from wk_legacy import WandbCallback

LABELS: Final = ["cat", "dog", "fox"]


def _fit(
    model: Any, callback: WandbCallback, x: Any = IMAGES, y: Any = CLASSES, **more: Any
) -> None:
    settings = {"batch_size": 3, "shuffle": False, "verbose": 0} | more
    model.fit(x, y, validation_data=(x[:4], y[:4]), callbacks=[callback], **settings)


@use()
def everything_by_default(record: Recorder) -> None:
    """Logs metrics, the best epoch, the best model and the graph."""
    with record.run() as run:
        fit(linear_model(), [WandbCallback(run=run)], validation_data=VALIDATION)
        model = linear_model()
        state = restore(model, f"{run.dir}/model-best.keras")
        (graph,) = Path(run.dir, "media/graph").iterdir()
        nodes = json.loads(graph.read_text())["nodes"]
        record.note("graph", [[node["name"], node["class_name"]] for node in nodes])
        record.note("next epoch of the best model", state.initial_epoch)
        record.weights("weights of the best model", model)


@use()
def best_by_another_metric(record: Recorder) -> None:
    """Saves the weights of the epoch with the largest value, under another prefix."""
    with record.run() as run:
        callback = WandbCallback(
            monitor="mae",
            mode="max",
            verbose=0,
            save_weights_only=True,
            save_graph=False,
            log_best_prefix="top_",
            log_batch_frequency=3,
        )
        fit(linear_model(sgd(0.02)), [callback])
        model = linear_model()
        restore(model, f"{run.dir}/model-best.weights.h5")
        record.weights("weights of the best model", model)


@use()
def weights_and_gradients(record: Recorder) -> None:
    """Adds histograms of weights and gradients to the rows, and operations to the summary."""
    with record.run() as run:
        callback = WandbCallback(
            monitor="loss",
            log_weights=True,
            log_gradients=True,
            training_data=(X, Y),
            save_model=False,
            log_best_prefix=None,
            compute_flops=True,
        )
        fit(linear_model(), [callback])
        # Backends count additions of the bias, or do not.
        record.note("operations", 6 <= round(run.summary["GFLOPs"] * 1e9) <= 8)


@use()
def images_with_labels(record: Recorder) -> None:
    """Shows examples with predicted labels."""
    with record.run():
        callback = WandbCallback(
            validation_data=(IMAGES, CLASSES),
            labels=LABELS,
            predictions=2,
            input_type="image",
            output_type="label",
            image_range=(0, 1),
            save_model=False,
        )
        _fit(image_classifier(), callback)


@use()
def segmentation_masks(record: Recorder) -> None:
    """Shows input, predicted and true mask, in colors of one's own."""
    masks = (IMAGES[..., 0] > 0.5).astype("uint8")
    model = keras.Sequential(
        [keras.Input((4, 4, 1)), keras.layers.Conv2D(2, 1, activation="softmax", name="conv")]
    )
    model.compile(sgd(0.1), "categorical_crossentropy")
    with record.run():
        callback = WandbCallback(
            validation_data=(IMAGES, masks),
            output_type="segmentation_mask",
            class_colors=[(0, 0, 0), (1, 0.8, 0)],
            predictions=3,
            save_model=False,
        )
        _fit(with_weights(model), callback, y=keras.utils.to_categorical(masks, 2))


@use()
def generator_of_batches(record: Recorder) -> None:
    """Takes the examples from a generator."""

    def batches() -> Any:
        while True:
            yield IMAGES[:2], CLASSES[:2]
            yield IMAGES[2:4], CLASSES[2:4]

    with record.run():
        callback = WandbCallback(
            generator=batches(),
            validation_steps=2,
            log_evaluation=True,
            infer_missing_processors=False,
            predictions=2,
            save_model=False,
        )
        _fit(image_classifier(), callback)


@use()
def tables_with_processors(record: Recorder) -> None:
    """Logs tables of the validation data and of predictions, every second epoch and at the end."""

    def picture(ndx: int, row: Any) -> dict[str, Any]:
        return {"picture": wandb.Image(row["input"]), "number": ndx}

    def verdict(ndx: int, row: Any) -> dict[str, Any]:  # noqa: ARG001
        truth = row["val_row"].get_row()["target"]
        best = int(row["output"].argmax())
        return {"prediction": LABELS[best], "is right": best == truth}

    with record.run():
        callback = WandbCallback(
            validation_data=(IMAGES, CLASSES),
            log_evaluation=True,
            log_evaluation_frequency=2,
            validation_row_processor=picture,
            output_row_processor=verdict,
            save_model=False,
        )
        _fit(image_classifier(), callback, epochs=4)


@use()
def inferred_columns(record: Recorder) -> None:
    """Infers columns of classification, with predictions tied to the data."""
    with record.run():
        callback = WandbCallback(
            validation_data=(IMAGES, CLASSES), log_evaluation=True, labels=LABELS, save_model=False
        )
        _fit(image_classifier(), callback)


@use()
def tied_to_a_table(record: Recorder) -> None:
    """Ties predictions to a table that is there already."""
    with record.run():
        table = wandb.Table(["name"], [[f"animal {number}"] for number in range(len(IMAGES))])
        wandb.log({"animals": table})
        callback = WandbCallback(
            validation_data=(IMAGES, CLASSES),
            log_evaluation=True,
            validation_indexes=table.get_index(),  # type: ignore[no-untyped-call]  # wandb's
            prediction_row_processor=lambda _, row: {"score": float(row["output"].max())},
            save_model=False,
        )
        _fit(image_classifier(), callback)


@use()
def wrong_argument(record: Recorder) -> None:
    """Names the nearest argument where one is unknown."""
    with record.run():
        try:
            WandbCallback(log_gradient=True)
        except TypeError as error:
            record.note("an unknown argument", str(error))
        try:
            WandbCallback(log_gradients=True)
        except ValueError as error:
            record.note("gradients without data", str(error))


@use()
def disabled(record: Recorder) -> None:
    """Does nothing in a disabled run."""
    model = linear_model()
    with record.run(mode="disabled"):
        fit(model, [WandbCallback(log_weights=True)], validation_data=VALIDATION)
    record.weights("weights", model)
