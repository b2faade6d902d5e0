"""Looks at how far off a small network is about the progress of diabetes in 442 patients.

    uv run examples/eval_regression.py

The data ship with scikit-learn, and the run stays on this machine.
"""

import argparse

import keras
import wandb
from sklearn.datasets import load_diabetes

from wk_eval import RegressionEval


def main() -> None:
    """Trains, and looks at every patient of the validation data after each epoch."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=30)
    epochs = parser.parse_args().epochs
    keras.utils.set_random_seed(0)

    data = load_diabetes()
    x, y = data.data.astype("float32"), data.target.astype("float32")
    train, validation = (x[:350], y[:350]), (x[350:], y[350:])

    normalization = keras.layers.Normalization()
    normalization.adapt(train[0])
    model = keras.Sequential(
        [
            keras.Input((x.shape[1],)),
            normalization,
            keras.layers.Dense(32, activation="relu"),
            keras.layers.Dense(1, bias_initializer=keras.initializers.Constant(train[1].mean())),
        ]
    )
    model.compile(keras.optimizers.Adam(1e-2), "mse", metrics=["mae"])

    def show(patient: object) -> dict[str, float]:
        """Returns a patient's values by name, a column each."""
        return dict(zip(data.feature_names, map(float, patient), strict=True))  # type: ignore[call-overload]

    with wandb.init(project="wk-eval", mode="offline"):
        evaluation = RegressionEval(validation, num_samples=None, show=show, every=5)
        model.fit(*train, validation_data=validation, epochs=epochs, callbacks=[evaluation])


if __name__ == "__main__":
    main()
