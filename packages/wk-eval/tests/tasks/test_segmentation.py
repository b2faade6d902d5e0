"""Segmentation, held against counts by hand."""

import keras
import numpy as np
import pytest

from wk_eval import SegmentationEval
from wk_testing.classifier import images
from wk_testing.tables import logged_tables

X = images(6)
MASKS = (X[..., 0] // 86).astype("uint8")
LABELS = ["low", "middle", "high"]


FROM_LOGITS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def fit(y, evaluation, *, outputs=3, loss=FROM_LOGITS):
    model = keras.Sequential(
        [
            keras.Input((5, 4, 1)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Conv2D(outputs, 1),
        ]
    )
    model.compile("sgd", loss)
    model.fit(X, y, verbose=0, callbacks=[evaluation])
    return model.predict(X, verbose=0)


def ious(truth, predicted, classes=3):
    """Returns the IoU of each class that is there."""
    found = {}
    for each in range(classes):
        union = ((truth == each) | (predicted == each)).sum()
        if union:
            found[each] = ((truth == each) & (predicted == each)).sum() / union
    return found


@pytest.mark.parametrize("one_hot", [False, True])
def test_masks(offline_run, read_back, one_hot):
    run = offline_run()
    truth = np.eye(3)[MASKS] if one_hot else MASKS
    scores = fit(MASKS, SegmentationEval((X, truth), labels=LABELS))
    predicted = scores.argmax(axis=-1)

    written = read_back(run)
    (data,) = logged_tables(written, "val")
    assert data.columns == ["id", "image"]
    for number, cell in data.rows:
        assert (data.pixels(cell["path"]) == X[number, ..., 0]).all()
        assert (data.pixels(cell["masks"]["ground_truth"]["path"]) == MASKS[number]).all()
    (table,) = logged_tables(written, f"run_{run.id}_pred")
    assert table.columns == ["epoch", "id", "image", "iou", "pixel_accuracy"]
    assert table.column("iou") == sorted(table.column("iou"))
    for _, number, cell, iou, accuracy in table.rows:
        known = data.rows[number][1]
        assert cell["path"] == known["path"]
        assert cell["masks"]["ground_truth"] == known["masks"]["ground_truth"]
        assert (table.pixels(cell["masks"]["prediction"]["path"]) == predicted[number]).all()
        assert {cell["path"], cell["classes"]["path"]} <= set(table.references)
        assert cell["masks"]["ground_truth"]["path"] in table.references
        own = ious(MASKS[number], predicted[number])
        assert iou == pytest.approx(np.mean(list(own.values())))
        assert accuracy == pytest.approx((predicted[number] == MASKS[number]).mean())
    (row,) = written.history
    expected = ious(MASKS, predicted)
    assert row["val/mean_iou"] == pytest.approx(np.mean(list(expected.values())))
    for number, label in enumerate(LABELS):
        assert row[f"val/iou/{label}"] == pytest.approx(expected[number])
    assert row["val/worst_predictions/format"] == "png"
    types = table.json["column_types"]["params"]["type_map"]["image"]
    assert "'2': 'high'" in str(types)


def test_two_classes_and_ignored_pixels(offline_run, read_back):
    run = offline_run()
    truth = (X[..., 0] > 128).astype("uint8")
    marked = truth.copy()
    marked[:, 0] = 255
    evaluation = SegmentationEval((X, marked[..., None]), ignore=255)
    scores = fit(
        truth[..., None].astype("float32"),
        evaluation,
        outputs=1,
        loss=keras.losses.BinaryCrossentropy(from_logits=True),
    )
    predicted = (scores[..., 0] > 0).astype(int)

    written = read_back(run)
    (row,) = written.history
    expected = ious(truth[:, 1:], predicted[:, 1:], 2)
    assert row["val/mean_iou"] == pytest.approx(np.mean(list(expected.values())))
    assert row["val/pixel_accuracy"] == pytest.approx((truth == predicted)[:, 1:].mean())


@pytest.mark.parametrize(
    ("x", "y", "telling"),
    [
        (X, MASKS + 1, r"class numbers from 0 to 2.*with the values \[3\]"),
        (X, MASKS[:, :3], r"must have the size of the outputs, \(5, 4\).*shape \(6, 3, 4\)"),
        (X, MASKS.astype(str), "Masks must be numbers"),
    ],
)
@pytest.mark.backend_free
def test_what_does_not_fit(offline_run, x, y, telling):
    offline_run()
    with pytest.raises(ValueError, match=telling):
        fit(MASKS, SegmentationEval((x, y)))
