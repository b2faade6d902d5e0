"""Images of examples, as a run keeps them."""

import keras
import numpy as np
import pytest
from PIL import Image

from wk_core.compat.keras.flavour import backend
from wk_legacy import WandbCallback
from wk_legacy.images.rendering import default_colors
from wk_testing.resuming import X as NUMBERS
from wk_testing.resuming import Y as OTHER_NUMBERS
from wk_testing.resuming import random_model, same, values

GENERATOR = np.random.default_rng(0)
BYTES = GENERATOR.integers(0, 256, (45, 4, 6, 3), dtype="uint8")
SHARES = (BYTES / 255).astype("float32")
CLASSES = np.arange(45) % 3
LABELS = ["none", "some", "all"]
COLORS = [(0, 0, 0), (1, 0, 0), (0, 0.2, 1)]
ONE_HOT = np.eye(10, dtype="float32")


def model_of(shape, *layers, loss="mse"):
    model = keras.Sequential([keras.Input(shape), *layers])
    model.compile("sgd", loss)
    return model


def classifier(shape=(4, 6, 3), units=3, activation="softmax"):
    loss = "sparse_categorical_crossentropy" if units > 1 else "mse"
    layers = [keras.layers.Flatten(), keras.layers.Dense(units, activation)]
    return model_of(shape, *layers, loss=loss)


def translator(**options):
    return model_of((4, 6, 3), keras.layers.Conv2D(3, 1), **options)


def fit(model, x, y, *, epochs=1, **arguments):
    callback = looking(**{"validation_data": (x, y), **arguments})
    model.fit(x, y, epochs=epochs, verbose=0, callbacks=[callback])
    return model.predict(x, verbose=0)


def looking(**arguments):
    return WandbCallback(monitor="loss", save_model=False, save_graph=False, **arguments)


def pictures(run, row):
    """Returns the pixels of the pictures of a row, and their captions."""
    shown = []
    for name in row["examples/filenames"]:
        with Image.open(f"{run.settings.sync_dir}/files/{name}") as picture:
            shown.append(np.asarray(picture))
    return shown, row.get("examples/captions")


def as_bytes(values, low=0.0, high=1.0):
    return (np.clip((values - low) / (high - low), 0, 1) * 255 + 0.5).astype("uint8")


def is_close(picture, pixels):
    """Tells whether pixels are the same; predictions differ in how they round."""
    return np.abs(picture.astype(int) - pixels).max() <= 1


def test_images_with_the_predicted_label(offline_run, read_back):
    run = offline_run()
    scores = fit(classifier(), SHARES, CLASSES, epochs=2, labels=LABELS)

    drawn = []
    for row in read_back(run).history:
        shown, captions = pictures(run, row)
        numbers = [
            int(np.flatnonzero((picture == BYTES).all(axis=(1, 2, 3)))[0]) for picture in shown
        ]
        assert len(set(numbers)) == 36
        drawn.append(numbers)
    assert drawn[0] != drawn[1]
    assert captions == [LABELS[each] for each in scores.argmax(axis=-1)[numbers]]


@pytest.mark.parametrize(
    ("labels", "caption"),
    [
        (["no", "yes"], lambda value: "yes" if value > 0.5 else "no"),
        ({1: "yes", 0: "no"}, lambda value: "yes" if value > 0.5 else "no"),
        (None, lambda value: f"{value:.6g}"),
    ],
)
def test_one_unit(offline_run, read_back, labels, caption):
    run = offline_run()
    x = np.linspace(-1, 1, 6)[:, None, None] * np.ones((4, 6))
    model = classifier((4, 6), units=1, activation=None)
    model.layers[-1].kernel.assign(np.ones((24, 1)))
    output = fit(model, x, x.mean(axis=(1, 2)), labels=labels, predictions=200)

    _, captions = pictures(run, read_back(run).history[0])
    expected = [caption(value) for value in output[:, 0].tolist()]
    if labels is None:
        assert np.asarray(captions, float) == pytest.approx(np.asarray(expected, float), rel=1e-4)
    else:
        assert captions == expected
        assert set(captions) == {"no", "yes"}


@pytest.mark.parametrize("one_hot", [False, True])
def test_masks(offline_run, read_back, one_hot):
    run = offline_run()
    masks = BYTES[..., 0] // 86
    y = np.eye(3, dtype="float32")[masks] if one_hot else masks
    losses = keras.losses.SparseCategoricalCrossentropy, keras.losses.CategoricalCrossentropy
    model = translator(loss=losses[one_hot](from_logits=True))
    colors = COLORS if one_hot else None
    options = {"output_type": "segmentation_mask", "class_colors": colors, "predictions": 45}
    scores = fit(model, BYTES, y, **options)

    shown, captions = pictures(run, read_back(run).history[0])
    assert captions is None
    assert len(shown) == 3 * 36
    painted = as_bytes(default_colors(3) if colors is None else np.array(colors))
    seen = set()
    for image, prediction, reference in zip(shown[::3], shown[1::3], shown[2::3], strict=True):
        number = int(np.flatnonzero((image == BYTES).all(axis=(1, 2, 3)))[0])
        seen.add(number)
        assert (prediction == painted[scores[number].argmax(axis=-1)]).all()
        assert (reference == painted[masks[number]]).all()
    assert len(seen) == 36


def test_default_colors():
    colors = [(0, 0, 0), (1, 0, 0), (0.5, 1, 0), (0, 1, 1), (0.5, 0, 1)]
    assert default_colors(5) == pytest.approx(np.array(colors))


def test_images_to_images(offline_run, read_back):
    run = offline_run()
    x = SHARES[:2] * 2 - 1
    output = fit(translator(), x, x, input_type="images", output_type="image")

    shown, captions = pictures(run, read_back(run).history[0])
    assert captions is None
    assert len(shown) == 6
    for number in range(2):
        image, prediction, reference = shown[3 * number : 3 * number + 3]
        assert (image == BYTES[number]).all()
        assert (reference == BYTES[number]).all()
        assert is_close(prediction, as_bytes(output[number], -1, 1))


def test_labels_to_images(offline_run, read_back):
    run = offline_run()
    layers = [keras.layers.Dense(24), keras.layers.Reshape((4, 6, 1))]
    targets = SHARES[:10, ..., :1]
    output = fit(model_of((10,), *layers), ONE_HOT, targets, labels=[*"abcdefghij"])

    shown, captions = pictures(run, read_back(run).history[0])
    assert captions == [letter for letter in "abcdefghij" for _ in range(2)]
    for number in range(10):
        assert is_close(shown[2 * number], as_bytes(output[number, ..., 0]))
        assert (shown[2 * number + 1] == BYTES[number, ..., 0]).all()


def test_several_inputs(offline_run, read_back):
    run = offline_run()
    inputs = {"left": keras.Input((4, 6, 3), name="left"), "right": keras.Input((1,), name="right")}
    picture = keras.layers.Conv2D(1, 1, activation="sigmoid")(inputs["left"])
    model = keras.Model(inputs, picture + 0 * keras.layers.Reshape((1, 1, 1))(inputs["right"]))
    model.compile("sgd", "mse")
    x = {"left": SHARES[:4], "right": CLASSES[:4, None].astype("float32")}
    targets = SHARES[:4, ..., 0] > 0.5
    output = fit(model, x, targets.astype("float32"), output_type="segmentation_mask")

    shown, captions = pictures(run, read_back(run).history[0])
    assert captions is None
    for number in range(4):
        assert is_close(shown[2 * number], as_bytes(output[number, ..., 0]))
        assert (shown[2 * number + 1] == targets[number] * 255).all()


def test_several_outputs(offline_run, read_back):
    run = offline_run()
    image = keras.Input((4, 6, 3))
    flat = keras.layers.Flatten()(image)
    model = keras.Model(image, [keras.layers.Dense(3)(flat), keras.layers.Dense(2)(flat)])
    model.compile("sgd", ["mse", "mse"])
    fit(model, SHARES[:3], (np.zeros((3, 3)), np.zeros((3, 2))))

    shown, captions = pictures(run, read_back(run).history[0])
    assert captions is None
    assert all((one == other).all() for one, other in zip(shown, BYTES[:3], strict=True))


def test_a_batch_of_a_generator_each_epoch(offline_run, read_back):
    def batches():
        for number in range(2):
            yield SHARES[4 * number :][:4], CLASSES[4 * number :][:4]

    run = offline_run()
    with pytest.warns(UserWarning, match="their last batch is looked at again"):
        fit(classifier(), SHARES, CLASSES, epochs=3, validation_data=None, generator=batches())

    for row, first in zip(read_back(run).history, [0, 4, 4], strict=True):
        shown, _ = pictures(run, row)
        assert (np.stack(shown) == BYTES[first : first + 4]).all()


def test_nothing_to_be_shown(offline_run, read_back):
    run = offline_run()
    fit(model_of((4,), keras.layers.Dense(1)), NUMBERS, OTHER_NUMBERS)
    (row,) = read_back(run).history
    assert not [key for key in row if key.startswith("examples")]


def test_values_that_are_no_numbers(offline_run, read_back):
    run = offline_run()
    x = SHARES[:2].copy()
    x[0, 0, 0] = np.nan
    fit(translator(), x, x)
    shown, _ = pictures(run, read_back(run).history[0])
    assert (shown[0][0, 0] == 0).all()
    assert (shown[0][1:] == BYTES[0, 1:]).all()


@pytest.mark.parametrize(
    ("x", "y", "arguments", "telling"),
    [
        (SHARES, CLASSES, {"labels": ["a", "b"]}, "different name for each of the 3 classes"),
        (SHARES, CLASSES, {"class_colors": [(0, 0)]}, "triple for each class"),
        (SHARES, CLASSES, {"predictions": 0}, "`predictions` must be"),
        (SHARES, CLASSES, {"output_type": "image"}, "output_type='image', for outputs=shape"),
        (SHARES, CLASSES, {"input_type": "picture"}, "input_type='picture'"),
        (SHARES[..., :2], CLASSES, {"input_type": "image"}, "1, 3 or 4 channels.*inputs=shape"),
        (SHARES[:, 0, 0], CLASSES, {"input_type": "image"}, "input_type='image', for inputs="),
        (SHARES, CLASSES[:9], {}, "same number of examples"),
    ],
)
def test_what_does_not_fit(offline_run, read_back, x, y, arguments, telling):
    run = offline_run()
    model = classifier(x.shape[1:])
    before = values(model)
    with pytest.raises(ValueError, match=telling):
        fit(model, x, CLASSES, validation_data=(x, y), **arguments)
    assert same(values(model)[:2], before[:2])
    assert read_back(run).history == []


def stateful_model():
    keras.utils.set_random_seed(3)
    model = keras.Sequential(
        [
            keras.Input(batch_shape=(8, 4, 1)),
            keras.layers.LSTM(3, stateful=True),
            keras.layers.Dense(1),
        ]
    )
    model.compile("sgd", "mse")
    return model


# Keras 3.15 cannot train layers with a state on PyTorch.
MODELS = [random_model] if backend() == "torch" else [random_model, stateful_model]


@pytest.mark.parametrize("make_model", MODELS)
def test_training_is_the_same_to_the_bit(offline_run, read_back, make_model):
    x = NUMBERS if make_model is random_model else NUMBERS[..., None]
    trained = []
    for looks in (False, True):
        model = make_model()
        data = (x[:27], OTHER_NUMBERS[:27])
        callbacks = []
        if looks:
            run = offline_run()
            callbacks.append(
                looking(
                    validation_data=data,
                    input_type="label" if x.ndim == 2 else "image",
                    log_evaluation=True,
                    log_evaluation_frequency=1,
                )
            )
        model.fit(x, OTHER_NUMBERS, batch_size=8, epochs=2, verbose=0, callbacks=callbacks)
        trained.append(values(model))
    assert same(*trained)
    assert read_back(run).column("validation_predictions/nrows") == [27, 27]


def test_given_range_of_values(offline_run, read_back):
    run = offline_run()
    fit(classifier(), SHARES[:2], CLASSES[:2], image_range=(0.0, 2.0))
    shown, _ = pictures(run, read_back(run).history[0])
    for number in range(2):
        assert is_close(shown[number], as_bytes(SHARES[number], 0, 2))
