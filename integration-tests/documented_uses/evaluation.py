"""The documented uses of wk-eval."""

import hashlib
from typing import Any, Final

import numpy as np

from documented_uses.recorder import Recorder
from documented_uses.training import sgd, with_weights
from documented_uses.use import use
from wk_core.compat.keras.flavour import keras
from wk_eval import (
    ClassificationEval,
    DetectionEval,
    RegressionEval,
    SegmentationEval,
    TextClassificationEval,
    TokenClassificationEval,
    WandbEvalCallback,
)
from wk_testing.tables import logged_tables

COUNT: Final = 6
IMAGES: Final = (np.arange(COUNT * 16).reshape(COUNT, 4, 4, 1) * 37 % 101 / 100).astype("float32")
CLASSES: Final = np.arange(COUNT) % 3


def image_classifier(
    outputs: int = 3,
    activation: str | None = "softmax",
    loss: Any = "sparse_categorical_crossentropy",
) -> Any:
    """Returns a compiled model of one dense layer for `IMAGES`."""
    model = keras.Sequential(
        [
            keras.Input((4, 4, 1)),
            keras.layers.Flatten(),
            keras.layers.Dense(outputs, activation, name="dense"),
        ]
    )
    model.compile(sgd(0.1), loss)
    return with_weights(model)


def _fit(model: Any, callbacks: list[Any], x: Any = IMAGES, y: Any = CLASSES, **more: Any) -> None:
    model.fit(x, y, **{"batch_size": 3, "shuffle": False, "verbose": 0} | more, callbacks=callbacks)


class _Look(WandbEvalCallback):
    """The documented subclass."""

    def __init__(self, x: Any, y: Any, **arguments: Any) -> None:
        super().__init__(
            data_table_columns=["idx", "image", "label"],
            pred_table_columns=["epoch", "idx", "image", "label", "pred"],
            **arguments,
        )
        self.x, self.y = x, y

    def add_ground_truth(self, logs: Any = None) -> None:  # noqa: ARG002
        for idx, (image, label) in enumerate(zip(self.x, self.y, strict=True)):
            self.data_table.add_data(idx, self.image(image, caption=f"number {idx}"), label)

    def add_model_predictions(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        predictions = self.predict_on_batch(self.x).argmax(axis=-1)
        for idx in self.data_table_ref.get_index():  # type: ignore[no-untyped-call]  # wandb's
            self.pred_table.add_data(epoch, *self.data_table_ref[idx], predictions[idx])


class _LookAtBatches(_Look):
    """Logs at other times, as documented."""

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
        if batch == 1:
            self.init_pred_table(column_names=self.pred_table_columns)
            self.add_model_predictions(batch)
            self.log_pred_table(type="looks", table_name="at_batches", aliases=["within"])

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Logs nothing."""


@use()
def callback_of_ones_own(record: Recorder) -> None:
    """Logs a table of data, and predictions that refer to it, every second epoch."""
    with record.run() as run:
        look = _Look(IMAGES, CLASSES, run=run, every=2, aliases=["seen"])
        _fit(image_classifier(), [look], epochs=4)
    (table,) = logged_tables(record.written(), "val")
    pixels = [table.pixels(cell["path"]) for cell in table.column("image")]
    record.note("range of each image", [[each.min(), each.max()] for each in pixels])
    digest = hashlib.sha256(b"".join(each.tobytes() for each in pixels)).hexdigest()
    record.note("the pixels", [digest[:4], digest[4:8]])


@use()
def at_other_times(record: Recorder) -> None:
    """Logs predictions after a batch, under names of its own."""
    with record.run():
        _fit(image_classifier(), [_LookAtBatches(IMAGES[:2], CLASSES[:2])], epochs=1)


@use()
def classification(record: Recorder) -> None:
    """Evaluates images with one of three classes."""
    with record.run():
        evaluation = ClassificationEval((IMAGES, CLASSES), labels=["cat", "dog", "fox"])
        _fit(image_classifier(), [evaluation], epochs=2)


@use()
def several_labels(record: Recorder) -> None:
    """Evaluates examples with several labels each."""
    several = np.array([[1, 0, 1], [0, 1, 0], [1, 1, 0], [0, 0, 1], [1, 0, 0], [0, 1, 1]])
    with record.run():
        evaluation = ClassificationEval((IMAGES, several), multi_label=True, num_samples=3)
        _fit(image_classifier(3, "sigmoid", "binary_crossentropy"), [evaluation], y=several)


@use()
def regression(record: Recorder) -> None:
    """Evaluates numbers, every second epoch of two calls of `fit`."""
    target = IMAGES.mean(axis=(1, 2, 3))
    with record.run():
        evaluation = RegressionEval((IMAGES, target), every=2)
        model = image_classifier(1, None, "mse")
        for _ in range(2):
            _fit(model, [evaluation], y=target, epochs=3)


@use()
def segmentation(record: Recorder) -> None:
    """Evaluates masks."""
    masks = (IMAGES[..., 0] > 0.5).astype("uint8")
    model = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Conv2D(2, 1, name="conv")])
    model.compile(sgd(0.1), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.set_weights([np.array([[[[-4.0, 4.0]]]]), np.array([2.2, -2.2])])
    with record.run():
        evaluation = SegmentationEval((IMAGES, masks), labels=["dark", "bright"])
        _fit(model, [evaluation], y=masks)


@use()
def detection(record: Recorder) -> None:
    """Evaluates boxes."""
    boxes = np.full((COUNT, 1, 4), [0.5, 0.5, 2.0, 2.0], "float32")
    truth = {"boxes": boxes, "labels": np.zeros((COUNT, 1))}

    def decode(corners: Any) -> dict[str, Any]:
        scores = np.linspace(0.4, 0.9, len(corners)).reshape(-1, 1)
        return {"boxes": corners[:, None], "labels": np.zeros((len(corners), 1)), "scores": scores}

    with record.run():
        evaluation = DetectionEval(
            (IMAGES, truth), labels=["thing"], decode=decode, box_format="xywh"
        )
        model = image_classifier(4, None, "mse")
        kernel, _ = model.get_weights()
        model.set_weights([kernel / 5, boxes[0, 0]])
        _fit(model, [evaluation], y=boxes[:, 0])


def _text_model(*layers: Any) -> Any:
    """Returns a compiled model of texts with four tokens in their vocabulary."""
    model = keras.Sequential([keras.layers.Embedding(4, 2, name="embedding"), *layers])
    model.compile(sgd(0.1), "binary_crossentropy")
    model.build((None, 3))
    return with_weights(model)


_VOCABULARY: Final = ["", "bad", "good", "very"]
_TOKENS: Final = np.array([[3, 2, 0], [1, 0, 0], [3, 1, 0], [2, 0, 0]])


@use()
def text(record: Recorder) -> None:
    """Evaluates texts, given as the numbers of their tokens."""
    pleased = np.array([1, 0, 0, 1])
    model = _text_model(
        keras.layers.GlobalAveragePooling1D(), keras.layers.Dense(1, "sigmoid", name="dense")
    )
    with record.run():
        evaluation = TextClassificationEval((_TOKENS, pleased), vocabulary=_VOCABULARY)
        _fit(model, [evaluation], _TOKENS, pleased, batch_size=2)


@use()
def tokens(record: Recorder) -> None:
    """Evaluates a class for each token."""
    words = (_TOKENS > 1).astype("int64")
    model = _text_model(keras.layers.Dense(2, "softmax", name="dense"))
    model.compile(sgd(0.1), "sparse_categorical_crossentropy")
    with record.run():
        evaluation = TokenClassificationEval(
            (_TOKENS, words), vocabulary=_VOCABULARY, labels=["other", "verdict"]
        )
        _fit(model, [evaluation], _TOKENS, words, batch_size=2)


@use()
def several_outputs(record: Recorder) -> None:
    """Evaluates two outputs of a model with two inputs, under two names."""
    inputs = {name: keras.Input((2,), name=name) for name in ("left", "right")}
    together = keras.layers.Concatenate()(list(inputs.values()))
    outputs = {
        "kind": keras.layers.Dense(3, "softmax", name="kind")(together),
        "size": keras.layers.Dense(1, name="size")(together),
    }
    model = with_weights(keras.Model(inputs, outputs))
    model.compile(sgd(0.1), {"kind": "sparse_categorical_crossentropy", "size": "mse"})
    pixels = IMAGES.reshape(COUNT, -1)
    x = {"left": pixels[:, :2], "right": pixels[:, 2:4]}
    y = {"kind": CLASSES, "size": pixels[:, 4]}
    with record.run():
        kinds = ClassificationEval((x, y), output="kind", name="kinds", curves=False)
        sizes = RegressionEval((x, y), output="size", name="sizes")
        _fit(model, [kinds, sizes], x, y)


@use()
def disabled(record: Recorder) -> None:
    """Looks at nothing in a disabled run."""
    model = image_classifier()
    with record.run(mode="disabled"):
        _fit(model, [_Look(IMAGES, CLASSES), ClassificationEval((IMAGES, CLASSES))])
    record.weights("weights", model)
