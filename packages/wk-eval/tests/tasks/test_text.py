"""Texts, as strings and as tokens."""

import keras
import numpy as np
import pytest
from sklearn import metrics

from wk_eval import TextClassificationEval, TokenClassificationEval
from wk_testing.tables import logged_tables

VOCABULARY = ["", "the", "cat", "sleeps", "here"]
TOKENS = np.array([[1, 2, 3, 0], [2, 3, 4, 0], [1, 2, 3, 4], [4, 0, 0, 0]])
TEXTS = ["the cat sleeps", "cat sleeps here", "the cat sleeps here", "here"]


def fit(outputs, loss, y, *callbacks, pooled=True):
    layers = [keras.Input((4,), dtype="int32"), keras.layers.Embedding(5, 8)]
    layers += [keras.layers.GlobalAveragePooling1D()] if pooled else []
    model = keras.Sequential([*layers, keras.layers.Dense(outputs, "softmax")])
    model.compile("sgd", loss)
    model.fit(TOKENS, y, verbose=0, callbacks=list(callbacks))
    return model.predict(TOKENS, verbose=0)


@pytest.mark.parametrize(
    "vocabulary", [VOCABULARY, lambda tokens: " ".join(VOCABULARY[each] for each in tokens)]
)
def test_tokens_as_text(offline_run, read_back, vocabulary):
    run = offline_run()
    y = np.array([0, 1, 0, 1])
    evaluation = TextClassificationEval((TOKENS, y), vocabulary=vocabulary, labels=["a", "b"])
    scores = fit(2, "sparse_categorical_crossentropy", y, evaluation)

    written = read_back(run)
    (data,) = logged_tables(written, "val")
    assert data.columns == ["id", "text", "label"]
    assert data.column("text") == TEXTS
    (table,) = logged_tables(written, f"run_{run.id}_pred")
    predicted = {row[1]: row[4] for row in table.rows}
    assert predicted == {n: "ab"[each] for n, each in enumerate(scores.argmax(axis=1))}
    assert written.history[-1]["val/worst_predictions/nrows"] == 4


def test_token_classes(offline_run, read_back):
    run = offline_run()
    y = np.where(TOKENS > 0, TOKENS % 3, -1)
    loss = keras.losses.SparseCategoricalCrossentropy(ignore_class=-1)
    labels = ["x", "y", "z"]
    evaluation = TokenClassificationEval((TOKENS, y), vocabulary=VOCABULARY, labels=labels)
    predicted = fit(3, loss, y, evaluation, pooled=False).argmax(axis=-1)

    written = read_back(run)
    (table,) = logged_tables(written, f"run_{run.id}_pred")
    assert table.columns[1:] == ["id", "text", "labels", "predictions", "wrong", "accuracy"]
    for _, number, text, true, taken_for, wrong, accuracy in table.rows:
        counted = y[number] >= 0
        assert text == TEXTS[number]
        assert true == [labels[each] for each in y[number][counted]]
        assert taken_for == [labels[each] for each in predicted[number][counted]]
        assert accuracy == pytest.approx((y[number] == predicted[number])[counted].mean())
        assert wrong.count("taken for") == (y[number] != predicted[number])[counted].sum()
    (row,) = written.history
    counted = y >= 0
    assert row["val/accuracy"] == pytest.approx(
        metrics.accuracy_score(y[counted], predicted[counted])
    )
    f1 = metrics.f1_score(y[counted], predicted[counted], average="macro", zero_division=np.nan)
    assert row["val/f1"] == pytest.approx(f1)


@pytest.mark.parametrize(
    ("y", "arguments", "telling"),
    [
        (TOKENS[:, :3], {}, r"class numbers, shape \(n, tokens\).*shape \(4, 3\)"),
        (TOKENS, {}, r"from 0 to 2.*the values \[3, 4\]"),
        (TOKENS % 3, {"vocabulary": ["", "the"]}, "`vocabulary` has 2 tokens.*numbers 1 to 3"),
    ],
)
@pytest.mark.backend_free
def test_what_does_not_fit(offline_run, y, arguments, telling):
    offline_run()
    with pytest.raises(ValueError, match=telling):
        fit(
            3,
            "sparse_categorical_crossentropy",
            TOKENS % 3,
            TokenClassificationEval((TOKENS, y), **arguments),
            pooled=False,
        )
