"""Classification, held against scikit-learn and against counts by hand."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
import wandb
from sklearn import metrics

from wk_eval import ClassificationEval
from wk_testing.classifier import classes, classifier, images
from wk_testing.tables import logged_tables

COUNT = 60
X, Y = images(COUNT), classes(COUNT)
LABELS = ["cat", "dog", "fox"]


def fit(model, y, *callbacks, epochs=1):
    model.fit(X, y, batch_size=20, epochs=epochs, verbose=0, callbacks=list(callbacks))


def table_in_run(run, written, key):
    path = written.column(f"{key}/path")[-1]
    return json.loads(Path(run.settings.files_dir, path).read_text())


def test_single_labels(offline_run, read_back):
    run = offline_run()
    model = classifier()
    fit(model, Y, ClassificationEval((X, Y), labels=LABELS, num_samples=None), epochs=2)
    scores = model.predict(X, verbose=0)
    predicted = scores.argmax(axis=1)

    written = read_back(run)
    (data,) = logged_tables(written, "val")
    assert data.columns == ["id", "input", "label"]
    assert data.column("label") == [LABELS[each] for each in Y]
    table = logged_tables(written, f"run_{run.id}_pred")[-1]
    assert table.columns == [
        *("epoch", "id", "input", "label", "prediction", "correct", "confidence", "loss"),
        *("top_labels", "top_scores"),
    ]
    losses = -np.log(scores[np.arange(COUNT), Y])
    assert table.column("loss") == pytest.approx(sorted(losses.tolist(), reverse=True), rel=1e-3)
    for row in table.rows:
        _, number, cell, label, prediction, correct, confidence, loss, top, top_scores = row
        assert (table.artifact.name, label) == (f"run_{run.id}_pred", LABELS[Y[number]])
        assert cell == data.rows[number][1]
        assert prediction == LABELS[predicted[number]] == top[0]
        assert correct == (predicted[number] == Y[number])
        assert confidence == pytest.approx(scores[number].max(), rel=1e-4) == top_scores[0]
        assert loss == pytest.approx(losses[number], rel=1e-3)
        assert top == [LABELS[each] for each in np.argsort(-scores[number])]

    row = written.history[-1]
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(
        Y, predicted, average="macro", zero_division=np.nan
    )
    assert row["val/epoch"] == 1
    assert row["val/accuracy"] == pytest.approx(metrics.accuracy_score(Y, predicted))
    assert row["val/loss"] == pytest.approx(metrics.log_loss(Y, scores), rel=1e-3)
    assert row["val/precision"] == pytest.approx(precision)
    assert row["val/recall"] == pytest.approx(recall)
    assert row["val/f1"] == pytest.approx(f1)
    assert written.step_metrics["val/*"] == "val/epoch"

    chart = table_in_run(run, written, "val/confusion_matrix_table")["data"]
    counts = metrics.confusion_matrix(Y, predicted)
    expected = [[LABELS[i], LABELS[j], int(counts[i, j])] for i in range(3) for j in range(3)]
    assert chart == expected
    summary = table_in_run(run, written, "val/classes")
    for number, line in enumerate(summary["data"]):
        entries = dict(zip(summary["columns"], line, strict=True))
        of_class = (number == Y).astype(int)
        auc = metrics.roc_auc_score(of_class, scores[:, number])
        average = metrics.average_precision_score(of_class, scores[:, number])
        assert entries["support"] == 20
        assert entries["roc_auc"] == pytest.approx(auc, abs=1e-6)
        assert entries["average_precision"] == pytest.approx(average, abs=1e-6)
    assert all(
        written.rows(f"val/{key}/path") for key in ("worst_predictions", "confusion_picture")
    )


@pytest.mark.backend_free
def test_moves(offline_run, read_back):
    run = offline_run()
    predicted = []

    class Predict(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):  # noqa: ARG002
            predicted.append(self.model.predict(X, verbose=0).argmax(axis=1))

    evaluation = ClassificationEval((X, Y), num_samples=None)
    fit(classifier(), Y, evaluation, Predict(), epochs=4)

    (table,) = logged_tables(read_back(run), f"run_{run.id}_moves")
    assert table.columns == ["id", "input", "label", "changes", *(f"epoch {n}" for n in range(4))]
    moved = (np.diff(predicted, axis=0) != 0).sum(axis=0)
    assert table.column("changes") == sorted(moved.tolist(), reverse=True)
    for number, _, label, changes, *labels in table.rows:
        assert (label, changes) == (str(Y[number]), moved[number])
        assert labels == [str(epoch[number]) for epoch in predicted]
    assert len(table.references) == COUNT


def test_several_labels(offline_run, read_back):
    run = offline_run()
    y = np.random.default_rng(0).integers(0, 2, (COUNT, 3))
    model = classifier(activation="sigmoid")
    model.compile("sgd", "binary_crossentropy")
    fit(model, y, ClassificationEval((X, y), labels=LABELS, multi_label=True, num_samples=None))
    scores = model.predict(X, verbose=0)
    predicted = scores >= 0.5

    written = read_back(run)
    (table,) = logged_tables(written, f"run_{run.id}_pred")
    for row in table.rows:
        _, number, _, label, prediction, correct, confidence, *_ = row
        assert label == [LABELS[each] for each in np.flatnonzero(y[number])]
        assert prediction == [LABELS[each] for each in np.flatnonzero(predicted[number])]
        assert correct == (predicted[number] == y[number]).all()
        sure = np.maximum(scores[number], 1 - scores[number]).min()
        assert confidence == pytest.approx(sure, rel=1e-4)
    (row,) = written.history
    assert row["val/accuracy"] == pytest.approx(metrics.accuracy_score(y, predicted))
    f1 = metrics.f1_score(y, predicted, average="macro", zero_division=np.nan)
    assert row["val/f1"] == pytest.approx(f1)
    counts = {
        (actual, taken): count
        for actual, taken, count in table_in_run(run, written, "val/confusion_matrix_table")["data"]
    }
    hits = metrics.multilabel_confusion_matrix(y, predicted)[:, 1, 1]
    assert [counts[label, label] for label in LABELS] == hits.tolist()
    missed = (y.astype(bool) & ~predicted)[:, 0]
    alone = missed & ~(predicted & (y == 0)).any(axis=1)
    assert counts["cat", "(none)"] == alone.sum()


@pytest.mark.backend_free
@pytest.mark.parametrize(
    ("outputs", "activation", "loss", "from_logits"),
    [
        (3, "softmax", "sparse_categorical_crossentropy", None),
        (3, None, keras.losses.SparseCategoricalCrossentropy(from_logits=True), None),
        (3, None, "mse", True),
        (1, "sigmoid", "binary_crossentropy", None),
        (1, None, keras.losses.BinaryCrossentropy(from_logits=True), None),
    ],
)
def test_probabilities_and_logits(offline_run, read_back, outputs, activation, loss, from_logits):
    run = offline_run()
    model = classifier(outputs, activation)
    model.compile("sgd", loss)
    y = Y if outputs == 3 else Y % 2
    fit(
        model,
        np.eye(3)[y] if loss == "mse" else y,
        ClassificationEval((X, y), from_logits=from_logits, num_samples=5),
    )
    raw = np.float64(model.predict(X[:: COUNT // 5], verbose=0))
    if activation is None:
        raw = (
            np.exp(raw) / np.exp(raw).sum(axis=1)[:, None]
            if outputs == 3
            else 1 / (1 + np.exp(-raw))
        )
    if outputs == 1:
        raw = np.concatenate([1 - raw, raw], axis=1)

    (table,) = logged_tables(read_back(run), f"run_{run.id}_pred")
    for row in table.rows:
        assert row[6] == pytest.approx(raw[row[1]].max(), rel=1e-4)
        assert row[4] == str(raw[row[1]].argmax())


@pytest.mark.backend_free
def test_one_hot_targets_and_a_column(offline_run, read_back):
    run = offline_run()
    model = classifier()
    model.compile("sgd", "categorical_crossentropy")
    one_hot = np.eye(3)[Y]
    column = ClassificationEval((X, Y[:, None]), name="column")
    fit(model, one_hot, ClassificationEval((X, one_hot)), column)
    written = read_back(run)
    labels = logged_tables(written, "val")[0].column("label")
    assert labels == logged_tables(written, "column")[0].column("label") == [str(y) for y in Y]


@pytest.mark.backend_free
def test_model_that_has_diverged(offline_run, read_back):
    class Diverge(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):  # noqa: ARG002
            self.model.set_weights([weight * np.nan for weight in self.model.get_weights()])

    run = offline_run()
    fit(classifier(), Y, Diverge(), ClassificationEval((X, Y), num_samples=5))
    written = read_back(run)
    (table,) = logged_tables(written, f"run_{run.id}_pred")
    assert table.column("prediction") == [None] * 5
    assert table.column("correct") == [False] * 5
    assert written.history[-1]["val/accuracy"] == 0


@pytest.mark.backend_free
def test_disabled_run(tmp_path):
    with wandb.init(mode="disabled", dir=tmp_path) as run:
        fit(classifier(), Y, ClassificationEval(None, run=run))
    assert not [*tmp_path.rglob("*.wandb"), *tmp_path.rglob("*.json")]


@pytest.mark.backend_free
def test_second_fit_goes_on_counting(offline_run, read_back):
    run = offline_run()
    model, evaluation = classifier(), ClassificationEval((X, Y), num_samples=4)
    fit(model, Y, evaluation, epochs=2)
    fit(model, Y, evaluation, epochs=2)
    written = read_back(run)
    assert written.column("val/epoch") == [0, 1, 2, 3]
    tables = logged_tables(written, f"run_{run.id}_pred")
    assert [table.rows[0][0] for table in tables] == [0, 1, 2, 3]


@pytest.mark.backend_free
def test_every_counts_epochs_of_the_whole_training(offline_run, read_back):
    run = offline_run()
    model, evaluation = classifier(), ClassificationEval((X, Y), num_samples=4, every=2)
    fit(model, Y, evaluation, epochs=3)
    fit(model, Y, evaluation, epochs=3)
    state = evaluation.get_training_state()
    written = read_back(run)
    assert written.column("val/epoch") == [1, 3, 5]

    resumed_run = offline_run()
    resumed = ClassificationEval((X, Y), num_samples=4, every=4)
    resumed.set_training_state(state)
    fit(model, Y, resumed, epochs=3)
    assert read_back(resumed_run).column("val/epoch") == [7]


def test_several_inputs_and_outputs(offline_run, read_back):
    inputs = {name: keras.Input((2,), name=name) for name in ("a", "b")}
    together = keras.layers.Concatenate()(list(inputs.values()))
    outputs = {name: keras.layers.Dense(3, "softmax", name=name)(together) for name in ("p", "q")}
    model = keras.Model(inputs, outputs)
    model.compile("sgd", dict.fromkeys(outputs, "sparse_categorical_crossentropy"))
    x = {"a": np.ones((6, 2)), "b": np.zeros((6, 2))}
    y = {"p": classes(), "q": (classes() + 1) % 3}
    run = offline_run()
    model.fit(x, y, verbose=0, callbacks=[ClassificationEval((x, y), output="q")])
    predicted = model.predict(x, verbose=0)["q"].argmax(axis=1)

    written = read_back(run)
    (data,) = logged_tables(written, "val")
    assert data.columns == ["id", "a", "b", "label"]
    assert data.rows[0] == [0, [1.0, 1.0], [0.0, 0.0], "1"]
    (table,) = logged_tables(written, f"run_{run.id}_pred")
    assert {row[1]: row[5] for row in table.rows} == dict(enumerate(map(str, predicted)))


@pytest.mark.backend_free
def test_what_is_shown(offline_run, read_back):
    run = offline_run()
    mean = ClassificationEval((X, Y), num_samples=2, show=lambda image: {"mean": image.mean()})
    fit(classifier(), Y, mean)
    (data,) = logged_tables(read_back(run), "val")
    assert data.column("mean") == pytest.approx([X[0].mean(), X[30].mean()])


@pytest.mark.backend_free
@pytest.mark.parametrize(
    ("arguments", "y", "telling"),
    [
        (
            {"labels": ["a", "b"]},
            Y,
            r"`labels` must have a different name for each of the 3.*\['a'",
        ),
        ({"labels": {0: "a", 1: "b", 3: "c"}}, Y, "labels={0: 'a'"),
        ({"labels": ["a", "b", "b"]}, Y, "different name"),
        ({}, Y + 1, "class numbers from 0 to 2.*values from 1 to 3"),
        ({}, Y + 0.5, r"values from 0\.5 to 2\.5"),
        ({}, np.zeros((COUNT, 3)), "a single one each.*`multi_label=True`"),
        ({}, np.zeros((COUNT, 4)), r"shape \(60, 4\)"),
        ({"multi_label": True}, Y, r"rows of a zero or a one.*shape \(60,\)"),
        ({"multi_label": True}, np.full((COUNT, 3), 2), "with values from 2 to 2"),
        ({}, np.array(["a"] * COUNT), "Classes must be numbers"),
        ({"output": "other"}, Y, None),
    ],
)
def test_what_does_not_fit(offline_run, arguments, y, telling):
    run = offline_run()
    evaluation = ClassificationEval((X, y), num_samples=None, **arguments)
    if telling is None:
        fit(classifier(), Y, evaluation)
        return
    with pytest.raises(ValueError, match=telling):
        fit(classifier(), Y, evaluation)
    assert run is wandb.run


@pytest.mark.backend_free
def test_logits_that_are_taken_for_probabilities(offline_run):
    offline_run()
    model = classifier(activation=None)
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=r"no probabilities.*`from_logits=True`.*values from"):
        fit(model, np.eye(3)[Y], ClassificationEval((X, Y)))


@pytest.mark.backend_free
@pytest.mark.parametrize(
    ("arguments", "telling"),
    [
        ({"top_k": 0}, "top_k=0"),
        ({"threshold": 1}, "threshold=1"),
        (
            {"num_samples": 0},
            "`num_samples` must be a whole number of examples, 1 or more, or None.*=0",
        ),
        ({"batch_size": 1.5}, "batch_size=1.5"),
        ({"name": "a/b"}, "needs a name of 1 to 128.*'a/b'"),
        ({"every": 0}, "every=0"),
    ],
)
def test_bad_arguments(offline_run, arguments, telling):
    offline_run()
    with pytest.raises(ValueError, match=telling):
        ClassificationEval((X, Y), **arguments)
