"""Curves, held against scikit-learn."""

import numpy as np
import pytest
from sklearn import metrics

from wk_eval.plots.charts import precision_recall_curve, roc_curve


@pytest.mark.backend_free
def test_curves_with_equal_scores():
    generator = np.random.default_rng(0)
    for _ in range(20):
        truth = generator.integers(0, 2, 30).astype(bool)
        scores = generator.integers(0, 5, 30) / 5.0
        roc, precision = roc_curve(truth, scores), precision_recall_curve(truth, scores)
        x, y, _ = metrics.roc_curve(truth, scores, drop_intermediate=False)
        assert np.allclose(roc.x, x)
        assert np.allclose(roc.y, y)
        assert roc.area == pytest.approx(metrics.roc_auc_score(truth, scores))
        assert precision.area == pytest.approx(metrics.average_precision_score(truth, scores))
    assert roc_curve(np.ones(3, bool), np.zeros(3)) is None
    assert precision_recall_curve(np.zeros(3, bool), np.zeros(3)) is None
