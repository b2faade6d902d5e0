"""Looks at which pixels a small network takes for which digit.

    uv run examples/eval_segmentation.py

The pictures are put together from the scanned digits that ship with scikit-learn, two in each, and
the run stays on this machine.
"""

import argparse

import keras
import numpy as np
import wandb
from sklearn.datasets import load_digits

from wk_eval import SegmentationEval

SIZE = 24
LABELS = ["background", "zero", "one", "two"]


def main() -> None:
    """Trains, and looks at 60 pictures after each epoch."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=8)
    epochs = parser.parse_args().epochs
    keras.utils.set_random_seed(0)
    train, validation = compose(600, seed=0), compose(60, seed=1)

    model = keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 1)),
            keras.layers.Conv2D(32, 5, padding="same", activation="relu"),
            keras.layers.Conv2D(32, 5, padding="same", activation="relu"),
            keras.layers.Conv2D(len(LABELS), 5, padding="same"),
        ]
    )
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))

    with wandb.init(project="wk-eval", mode="offline"):
        evaluation = SegmentationEval(validation, labels=LABELS)
        model.fit(*train, validation_data=validation, epochs=epochs, callbacks=[evaluation])


def compose(count: int, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns pictures, shape (count, SIZE, SIZE, 1) in [0, 1], and masks without the last axis."""
    digits, numbers = load_digits(n_class=len(LABELS) - 1, return_X_y=True)
    digits = digits.reshape(-1, 8, 8).astype("float32") / 16
    generator = np.random.default_rng(seed)
    pictures = np.zeros((count, SIZE, SIZE, 1), "float32")
    masks = np.zeros((count, SIZE, SIZE), "uint8")
    for picture, mask in zip(pictures, masks, strict=True):
        for left in (0, SIZE // 2):  # beside each other, at any height
            chosen = generator.integers(len(digits))
            y, x = generator.integers(SIZE - 8), left + generator.integers(SIZE // 2 - 8)
            picture[y : y + 8, x : x + 8, 0] = digits[chosen]
            mask[y : y + 8, x : x + 8][digits[chosen] > 0.25] = numbers[chosen] + 1
    return pictures, masks


if __name__ == "__main__":
    main()
