"""Looks at what a small network takes 1,797 scanned digits for, epoch by epoch.

    uv run examples/eval_classification.py

The digits ship with scikit-learn, and the run stays on this machine.
"""

import argparse

import keras
import wandb
from sklearn.datasets import load_digits

from wk_eval import ClassificationEval


def main() -> None:
    """Trains, and looks at 200 digits after each epoch."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=6)
    epochs = parser.parse_args().epochs
    keras.utils.set_random_seed(0)

    images, digits = load_digits(return_X_y=True)
    images = images.reshape(-1, 8, 8, 1).astype("float32") / 16
    train, validation = (images[:1400], digits[:1400]), (images[1400:], digits[1400:])

    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Conv2D(32, 3, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])

    with wandb.init(project="wk-eval", mode="offline"):
        evaluation = ClassificationEval(validation, num_samples=200)
        model.fit(*train, validation_data=validation, epochs=epochs, callbacks=[evaluation])


if __name__ == "__main__":
    main()
