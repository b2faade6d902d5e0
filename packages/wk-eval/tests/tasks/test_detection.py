"""Detection, held against what is known of boxes put where they are."""

import keras
import numpy as np
import pytest

from wk_eval import DetectionEval
from wk_eval.data.boxes import boxes_of
from wk_testing.tables import logged_tables

X = np.random.default_rng(0).integers(0, 256, (3, 20, 30, 3), dtype="uint8")
# Picture 0: both right. 1: one right, one of the wrong class. 2: nothing there, one false alarm.
TRUTH = {
    "boxes": np.array(
        [[[0, 0, 10, 10], [15, 5, 25, 15]], [[0, 0, 10, 10], [15, 5, 25, 15]], [[-1] * 4] * 2],
        "float32",
    ),
    "labels": np.array([[0, 1], [0, 1], [-1, -1]]),
}
FOUND = {
    "boxes": np.array(
        [[[0, 0, 10, 9], [15, 5, 25, 15]], [[0, 0, 10, 10], [15, 5, 25, 15]], [[1, 1, 5, 5]] * 2],
        "float32",
    ),
    "labels": np.array([[0, 1], [0, 0], [1, -1]], "float32"),
    "scores": np.array([[0.9, 0.8], [0.7, 0.6], [0.55, 0.3]], "float32"),
}
LABELS = ["cat", "dog"]


class Detector(keras.Model):
    """Puts out the boxes, whatever the picture: its first pixel tells which."""

    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(1)

    def call(self, x):
        number = keras.ops.cast(keras.ops.round(x[:, 0, 0, 0]), "int32")
        found = {
            key: keras.ops.take(keras.ops.convert_to_tensor(value), number, axis=0)
            for key, value in FOUND.items()
        }
        return {**found, "extra": self.dense(x[:, 0, 0])}


def numbered_pictures():
    x = X.copy()
    x[:, 0, 0, 0] = range(3)
    return x


def fit(evaluation):
    model = Detector()
    model.compile("sgd", {"extra": "mse"})
    x = numbered_pictures().astype("float32")
    model.fit(x, {"extra": np.zeros((3, 1))}, verbose=0, callbacks=[evaluation])


def test_boxes(offline_run, read_back):
    run = offline_run()
    x = numbered_pictures().astype("float32")
    fit(DetectionEval((x, TRUTH), labels=LABELS))

    written = read_back(run)
    (data,) = logged_tables(written, "val")
    (table,) = logged_tables(written, f"run_{run.id}_pred")
    assert table.columns == [
        "epoch",
        "id",
        "image",
        "true_positives",
        "false_negatives",
        "false_positives",
        "f1",
    ]
    by_number = {row[1]: row for row in table.rows}
    assert by_number[0][3:] == [2, 0, 0, 1.0]
    assert by_number[1][3:] == [1, 1, 1, 0.5]
    assert by_number[2][3:] == [0, 0, 1, 0.0]
    assert [row[1] for row in table.rows] == [2, 1, 0]
    cell = by_number[0][2]
    assert cell["path"] == data.rows[0][1]["path"]
    assert cell["path"] in table.references
    first, second = cell["boxes"]["ground_truth"]
    assert first == {
        "position": {"minX": 0.0, "minY": 0.0, "maxX": 10.0, "maxY": 10.0},
        "domain": "pixel",
        "class_id": 0,
        "box_caption": "cat",
    }
    assert second["class_id"] == 1
    assert cell["boxes"]["predictions"][0]["scores"] == {"score": pytest.approx(0.9)}
    assert cell["boxes"]["predictions"][0]["box_caption"] == "cat 0.90"
    assert data.rows[2][1]["boxes"]["ground_truth"] == []

    (row,) = written.history
    assert row["val/precision"] == pytest.approx(3 / 5)
    assert row["val/recall"] == pytest.approx(3 / 4)
    # cat: found at 0.9 and 0.7, wrong at 0.6. dog: found at 0.8, wrong at 0.55, one never found.
    assert row["val/ap/cat"] == pytest.approx(1.0)
    assert row["val/ap/dog"] == pytest.approx(0.5)
    assert row["val/map"] == pytest.approx(0.75)
    assert row["val/worst_predictions/format"] == "png"


@pytest.mark.backend_free
def test_threshold_and_overlap(offline_run, read_back):
    run = offline_run()
    x = numbered_pictures().astype("float32")
    fit(DetectionEval((x, TRUTH), labels=LABELS, threshold=0.85, iou_threshold=0.95))
    (table,) = logged_tables(read_back(run), f"run_{run.id}_pred")
    assert {row[1]: row[3:6] for row in table.rows} == {0: [0, 2, 1], 1: [0, 2, 0], 2: [0, 0, 0]}


@pytest.mark.backend_free
@pytest.mark.parametrize(
    ("box_format", "box"),
    [
        ("xyxy", [4, 2, 10, 12]),
        ("yxyx", [2, 4, 12, 10]),
        ("xywh", [4, 2, 6, 10]),
        ("center_xywh", [7, 7, 6, 10]),
        ("center_yxhw", [7, 7, 10, 6]),
        ("rel_xyxy", [4 / 30, 2 / 20, 10 / 30, 12 / 20]),
        ("rel_yxyx", [2 / 20, 4 / 30, 12 / 20, 10 / 30]),
        ("rel_xywh", [4 / 30, 2 / 20, 6 / 30, 10 / 20]),
        ("rel_center_xywh", [7 / 30, 7 / 20, 6 / 30, 10 / 20]),
    ],
)
def test_box_formats(box_format, box):
    described = {"boxes": np.array([[box, [-1] * 4]]), "classes": np.array([[0, -1]])}
    boxes = boxes_of(described, 0, box_format=box_format, size=(20, 30))
    assert boxes.corners.tolist() == [pytest.approx([4, 2, 10, 12])]


@pytest.mark.backend_free
@pytest.mark.parametrize(
    ("truth", "arguments", "telling"),
    [
        ({"boxes": TRUTH["boxes"]}, {}, "Targets must be a dictionary with 'boxes', 'labels' or"),
        (TRUTH, {"labels": ["cat"]}, r"`labels` names 1 classes.*targets with class 1"),
        (TRUTH, {"decode": lambda _: {"boxes": 1}}, "Outputs must be a dictionary.*'scores'"),
    ],
)
def test_what_does_not_fit(offline_run, truth, arguments, telling):
    offline_run()
    x = numbered_pictures().astype("float32")
    with pytest.raises(ValueError, match=telling):
        fit(DetectionEval((x, truth), **{"labels": LABELS, **arguments}))


@pytest.mark.backend_free
@pytest.mark.parametrize("arguments", [{"box_format": "ltrb"}, {"threshold": 0}, {"labels": None}])
def test_bad_arguments(offline_run, arguments):
    offline_run()
    with pytest.raises(ValueError, match="Received: "):
        DetectionEval((X, TRUTH), **{"labels": LABELS, **arguments})
