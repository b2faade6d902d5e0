"""Trains on 1,797 scanned digits with the one callback that does everything.

    uv run examples/legacy.py

The digits ship with scikit-learn, and the run stays on this machine. It holds the metrics, the best
model, the model's graph, histograms of weights and gradients, pictures of digits with what the
model takes them for, and tables of the validation data and of the predictions.
"""

import argparse

import keras
import numpy as np
import wandb
from sklearn.datasets import load_digits

from wk_legacy import WandbCallback


def main() -> None:
    """Trains, and logs all there is to log."""
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
            keras.layers.BatchNormalization(),
            keras.layers.Flatten(),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])

    def sureness(ndx: int, row: dict[str, np.ndarray]) -> dict[str, float]:  # noqa: ARG001
        return {"sureness": float(row["output"].max())}

    with wandb.init(project="wk-legacy", mode="offline") as run:
        callback = WandbCallback(
            monitor="val_accuracy",
            log_weights=True,
            log_gradients=True,
            training_data=train,
            validation_data=validation,
            labels=[str(digit) for digit in range(10)],
            input_type="image",
            log_evaluation=True,
            prediction_row_processor=sureness,
            log_batch_frequency=10,
            compute_flops=True,
        )
        model.fit(*train, validation_data=validation, epochs=epochs, callbacks=[callback])
        print(f"The best model lies in {run.dir}")


if __name__ == "__main__":
    main()
