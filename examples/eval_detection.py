"""Looks at where a small network finds digits in pictures.

    uv run examples/eval_detection.py

The pictures are put together from the scanned digits that ship with scikit-learn, up to four in
each, and the run stays on this machine. The network looks at each quarter of a picture: whether a
digit has its middle there, where that is, and which digit it is.
"""

import argparse
from typing import Any

import keras
import numpy as np
import wandb
from sklearn.datasets import load_digits

from wk_eval import DetectionEval

SIZE, DIGIT, CLASSES = 32, 8, 3
CELLS, CELL = 2, 16  # two rows and columns of cells, in pixels


def main() -> None:
    """Trains, and looks at 60 pictures after each epoch."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=12)
    epochs = parser.parse_args().epochs
    keras.utils.set_random_seed(0)
    (x, boxes), (x_val, boxes_val) = compose(1500, seed=0), compose(60, seed=1)

    inputs = keras.Input((SIZE, SIZE, 1))
    features = inputs
    for filters in (32, 64, 64, 64):
        features = keras.layers.Conv2D(filters, 3, 2, "same", activation="relu")(features)
    head = keras.layers.Conv2D(3 + CLASSES, 1)(features)
    sigmoid = keras.layers.Activation("sigmoid", name="place")(head[..., :3])
    softmax = keras.layers.Softmax(name="digit")(head[..., 3:])
    model = keras.Model(inputs, keras.layers.Concatenate()([sigmoid, softmax]))
    model.compile(keras.optimizers.Adam(3e-3), "mse")

    with wandb.init(project="wk-eval", mode="offline"):
        evaluation = DetectionEval(
            (x_val, boxes_val), labels=["zero", "one", "two"], box_format="xywh", decode=decode
        )
        model.fit(x, encode(boxes), epochs=epochs, callbacks=[evaluation])


def compose(count: int, *, seed: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Returns pictures, shape (count, SIZE, SIZE, 1) in [0, 1], and the boxes in them.

    Boxes have the format xywh; where there is no digit, the label is -1.
    """
    digits, numbers = load_digits(n_class=CLASSES, return_X_y=True)
    digits = digits.reshape(-1, DIGIT, DIGIT, 1).astype("float32") / 16
    generator = np.random.default_rng(seed)
    pictures = np.zeros((count, SIZE, SIZE, 1), "float32")
    boxes = np.full((count, CELLS * CELLS, 4), -1.0, "float32")
    labels = np.full((count, CELLS * CELLS), -1)
    for number in range(count):
        for cell in range(CELLS * CELLS):
            if generator.random() < 0.3:
                continue
            chosen = generator.integers(len(digits))
            row, column = divmod(cell, CELLS)
            y = row * CELL + generator.integers(CELL - DIGIT)
            x = column * CELL + generator.integers(CELL - DIGIT)
            pictures[number, y : y + DIGIT, x : x + DIGIT] = digits[chosen]
            boxes[number, cell] = x, y, DIGIT, DIGIT
            labels[number, cell] = numbers[chosen]
    return pictures, {"boxes": boxes, "labels": labels}


def encode(described: dict[str, np.ndarray]) -> np.ndarray:
    """Returns what the network learns: in each cell, whether, where and what."""
    boxes, labels = described["boxes"], described["labels"]
    there = labels >= 0
    corner = np.indices((CELLS, CELLS))[::-1].reshape(2, -1).T * CELL
    middle = (boxes[..., :2] + DIGIT / 2 - corner) / CELL
    digit = np.eye(CLASSES)[np.maximum(labels, 0)]
    cells = np.concatenate([np.ones_like(middle[..., :1]), middle, digit], axis=-1)
    return (cells * there[..., None]).reshape(-1, CELLS, CELLS, 3 + CLASSES).astype("float32")


def decode(outputs: Any) -> dict[str, np.ndarray]:
    """Returns the boxes that the network's output means, one for each cell, with scores."""
    cells = outputs.reshape(len(outputs), CELLS * CELLS, 3 + CLASSES)
    corner = np.indices((CELLS, CELLS))[::-1].reshape(2, -1).T * CELL
    start = cells[..., 1:3] * CELL + corner - DIGIT / 2
    return {
        "boxes": np.concatenate([start, np.full_like(start, DIGIT)], axis=-1),
        "labels": cells[..., 3:].argmax(axis=-1),
        "scores": cells[..., 0],
    }


if __name__ == "__main__":
    main()
