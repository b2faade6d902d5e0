"""Scripts as they were written for the `WandbCallback` that W&B removed.

They are what a user has: nothing in them but the import lines may have to change.
"""

from typing import Final

_HEADER: Final = """
import numpy as np
import wandb
from tensorflow import keras
from wandb.keras import WandbCallback
"""

_CLASSIFICATION: Final = """
run = wandb.init(project="fashion", config={"dropout": 0.2, "epochs": 2, "hidden": 16})
config = run.config

X_train = np.random.randint(0, 256, (64, 28, 28)).astype("float32") / 255.0
y_train = keras.utils.to_categorical(np.arange(64) % 3)
X_test, y_test = X_train[:40], y_train[:40]
labels = ["T-shirt/top", "Trouser", "Pullover"]

model = keras.Sequential()
model.add(keras.layers.Flatten(input_shape=(28, 28)))
model.add(keras.layers.Dense(config.hidden, activation="relu"))
model.add(keras.layers.Dropout(config.dropout))
model.add(keras.layers.Dense(3, activation="softmax"))
model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])

model.fit(
    X_train,
    y_train,
    epochs=config.epochs,
    validation_data=(X_test, y_test),
    verbose=0,
    callbacks=[WandbCallback(input_type="image", labels=labels, save_model=False)],
)
"""

_SEGMENTATION: Final = """
wandb.init(project="segmentation")
x = np.random.randint(0, 256, (12, 16, 16, 3)).astype("uint8")
masks = (x.mean(axis=-1, keepdims=True) > 128).astype("uint8")

inputs = keras.Input((16, 16, 3))
hidden = keras.layers.Rescaling(1 / 255)(inputs)
hidden = keras.layers.Conv2D(4, 3, padding="same", activation="relu")(hidden)
hidden = keras.layers.BatchNormalization()(hidden)
outputs = keras.layers.Conv2D(2, 1, activation="softmax")(hidden)
model = keras.Model(inputs, outputs)
model.compile("adam", "categorical_crossentropy")

callback = WandbCallback(
    monitor="loss",
    save_weights_only=True,
    log_weights=True,
    input_type="image",
    output_type="segmentation_mask",
    validation_data=(x, masks),
    predictions=4,
    class_colors=np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]),
)
one_hot = keras.utils.to_categorical(masks, 2)
model.fit(x, one_hot, batch_size=4, epochs=2, verbose=0, callbacks=[callback])
"""

_GENERATOR: Final = """
wandb.init(project="generator")

def batches():
    while True:
        x = np.random.rand(8, 10, 10, 1).astype("float32")
        yield x, (x.mean(axis=(1, 2)) > 0.5).astype("float32")

model = keras.Sequential([
    keras.Input((10, 10, 1)),
    keras.layers.Conv2D(2, 3),
    keras.layers.Flatten(),
    keras.layers.Dense(1, activation="sigmoid"),
])
model.compile("sgd", "binary_crossentropy", metrics=["accuracy"])
model.fit(
    batches(),
    steps_per_epoch=5,
    epochs=2,
    validation_data=batches(),
    validation_steps=2,
    verbose=0,
    callbacks=[
        WandbCallback(
            monitor="val_accuracy",
            generator=batches(),
            validation_steps=2,
            predictions=4,
            labels=["dark", "bright"],
            log_batch_frequency=2,
        )
    ],
)
"""

_TABLE: Final = """
wandb.init(project="table")
x = np.random.rand(20, 4).astype("float32")
y = np.arange(20) % 3
names = ["setosa", "versicolor", "virginica"]

def describe(ndx, row):
    return {"widest": float(row["input"].max()), "truth": names[int(row["target"])]}

def judge(ndx, row):
    return {"guess": names[int(np.argmax(row["output"]))]}

model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="softmax")])
model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(
    x,
    y,
    epochs=3,
    verbose=0,
    callbacks=[
        WandbCallback(
            monitor="accuracy",
            log_gradients=True,
            training_data=(x, y),
            validation_data=(x, y),
            log_evaluation=True,
            log_evaluation_frequency=2,
            validation_row_processor=describe,
            prediction_row_processor=judge,
        )
    ],
)
"""

_BODIES: Final = {
    "classification": _CLASSIFICATION,
    "segmentation": _SEGMENTATION,
    "generator": _GENERATOR,
    "table": _TABLE,
}
NAMES: Final = tuple(_BODIES)


def old_script(name: str, *, keras_line: str) -> str:
    """Returns a script with its import lines changed.

    Args:
        name: One of `NAMES`.
        keras_line: How it imports Keras.
    """
    header = _HEADER.replace("from wandb.keras import", "from wk_legacy import")
    return header.replace("from tensorflow import keras", keras_line) + _BODIES[name]
