"""Classifiers of very many classes."""

import numpy as np
import pytest

from wk_eval.plots.confusion import Confusion
from wk_eval.tasks.classification_results import ClassificationResults
from wk_eval.tasks.multi_label_results import MultiLabelResults
from wk_eval.tasks.scores import Scores


@pytest.mark.backend_free
@pytest.mark.parametrize("multi_label", [False, True])
def test_many_classes(multi_label):
    """All that grows with the square of the classes would take gigabytes."""
    count, actual = 40_000, np.arange(8) * 900
    truth = np.zeros((8, count), bool)
    truth[np.arange(8), actual] = True
    outputs = np.full((8, count), 0.01 / count)
    outputs[np.arange(8), actual + np.arange(8) % 2] = 0.99
    labels = [f"class {number}" for number in range(count)]
    scores = Scores(count, from_logits=False, independent=multi_label, binary=False)
    results = (
        MultiLabelResults(truth, labels, scores, top_k=3, threshold=0.5, curves=True)
        if multi_label
        else ClassificationResults(actual, labels, scores, top_k=3, curves=True)
    )
    results.add_batch(0, outputs)
    report = results.report()
    assert report["accuracy"] == 0.5
    assert {row[0] for row in report["classes"].data} == {
        *(f"class {number}" for number in actual),
        *(f"class {number + 1}" for number in actual[1::2]),
    }
    assert report["confusion_picture"] is not None
    assert report["precision_recall"] is not None


@pytest.mark.backend_free
def test_matrix_of_many_classes_has_those_that_occur():
    actual, predicted = np.array([5, 5, 19_999]), np.array([5, 7, 0])
    labels = [f"class {number}" for number in range(20_000)]
    confusion = Confusion.of_pairs(actual, predicted, labels)
    assert confusion.labels == ["class 0", "class 5", "class 7", "class 19999"]
    assert confusion.counts.sum() == 3
    assert confusion.counts[1].tolist() == [0, 1, 1, 0]
    assert confusion.counts[3, 0] == 1
