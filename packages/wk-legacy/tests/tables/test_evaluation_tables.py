"""Tables of validation data and of predictions, as a run keeps them."""

import itertools

import keras
import numpy as np
import pytest
import wandb

from wk_legacy import WandbCallback
from wk_testing.classifier import classes, classifier, images
from wk_testing.resuming import same, values
from wk_testing.tables import logged_tables

X, Y = images(), classes()
LABELS = ["first", "second", "third"]
SHARES = (X / 255).astype("float32")


def fit(model, x, y, *, epochs=1, **arguments):
    callback = looking(**{"validation_data": (x, y), **arguments})
    model.fit(x, y, epochs=epochs, verbose=0, callbacks=[callback])
    return model.predict(x, verbose=0)


def looking(**arguments):
    options = {"monitor": "loss", "save_model": False, "save_graph": False, "log_evaluation": True}
    return WandbCallback(**{**options, **arguments})


def predictions(written, run):
    return logged_tables(written, f"run-{run.id}-validation_predictions")


def linked(table):
    """Returns what the links of a table of predictions refer to, and the rows."""
    described = table.json["column_types"]["params"]["type_map"]["val_row"]
    assert described["wb_type"] == "foreignIndex"
    return table.references[described["params"]["table"]], table.column("val_row")


def stored(table, column):
    """Returns the array that is a column's cells."""
    place = table.json["column_types"]["params"]["type_map"][column]["params"]["serialization_path"]
    (entry,) = [each for each in table.artifact.manifest.contents if each.path == place["path"]]
    assert table.column(column) == [None] * len(table.rows)
    return np.load(entry.local_path)[place["key"]]


def test_tables_of_due_epochs_and_of_the_end(offline_run, read_back):
    run = offline_run()
    model = classifier()
    scores = fit(model, X, Y, epochs=4, labels=LABELS, log_evaluation_frequency=2)

    written = read_back(run)
    (data,) = logged_tables(written, "wb_validation_data")
    assert data.artifact.type == "validation_dataset"
    assert data.artifact.use_after_commit
    assert data.path == "validation_data.table.json"
    assert data.columns == ["target", "input", "target:class", "input:image"]
    assert data.column("target") == Y.tolist()
    assert data.column("target:class") == [LABELS[each] for each in Y]
    assert (stored(data, "input") == X).all()
    for cell, image in zip(data.column("input:image"), X, strict=True):
        assert (data.pixels(cell["path"]) == image[..., 0]).all()

    with_table = [row for row in written.history if "validation_predictions/nrows" in row]
    assert [row.get("epoch") for row in with_table] == [0, 2, None]
    tables = predictions(written, run)
    assert len(tables) == 3
    for table in tables:
        assert table.columns == ["output", "val_row", "output:max_class", "output:score"]
        target, rows = linked(table)
        assert target == f"wandb-client-artifact://{data.artifact.client_id}/{data.path}"
        assert rows == [*range(6)]
    assert np.array(table.column("output")) == pytest.approx(scores)
    assert table.column("output:max_class") == [LABELS[each] for each in scores.argmax(axis=-1)]
    for score, row in zip(table.column("output:score"), scores.tolist(), strict=True):
        assert score == pytest.approx(dict(zip(LABELS, row, strict=True)))


def test_no_training_after_the_last_table(offline_run, read_back):
    run = offline_run()
    fit(classifier(), X, Y, epochs=2, log_evaluation_frequency=1)
    assert [row["epoch"] for row in read_back(run).rows("validation_predictions/nrows")] == [0, 1]


@pytest.mark.parametrize("argument", ["output_row_processor", "prediction_row_processor"])
def test_processors(offline_run, read_back, argument):
    names = wandb.Table(columns=["label"], data=[[label] for label in LABELS])

    def of_data(ndx, row):
        assert ndx.get_row() == row
        return {"picture": wandb.Image(row["input"], caption=str(ndx)), "twice": 2 * row["target"]}

    def of_outputs(ndx, row):
        known = row["val_row"].get_row()
        assert known["target"] == Y[ndx]
        assert (known["input"] == SHARES[ndx]).all()
        best = int(row["output"].argmax())
        return {"best": names.index_ref(best), "known": known["picture"], "twice": known["twice"]}

    run = offline_run()
    model = classifier()
    processors = {"validation_row_processor": of_data, argument: of_outputs}
    scores = fit(model, SHARES, Y, **processors)

    written = read_back(run)
    (data,) = logged_tables(written, "wb_validation_data")
    assert data.columns == ["target", "input", "picture", "twice"]
    assert data.column("twice") == [2 * each for each in Y]
    assert [cell["caption"] for cell in data.column("picture")] == [*"012345"]
    for cell, image in zip(data.column("picture"), X, strict=True):
        assert (data.pixels(cell["path"]) == image[..., 0]).all()
    (table,) = predictions(written, run)
    assert table.columns == ["output", "val_row", "best", "known", "twice"]
    assert table.column("best") == scores.argmax(axis=-1).tolist()
    assert table.column("twice") == data.column("twice")
    paths = [cell["path"] for cell in table.column("known")]
    assert paths == [cell["path"] for cell in data.column("picture")]
    assert set(paths) <= set(table.references)


def test_several_inputs_and_outputs(offline_run, read_back):
    run = offline_run()
    inputs = {"left": keras.Input((5, 4, 1), name="left"), "right": keras.Input((1,), name="right")}
    flat = keras.layers.Flatten()(inputs["left"])
    joined = keras.layers.Concatenate()([flat, inputs["right"]])
    outputs = {"class": keras.layers.Dense(3)(joined), "size": keras.layers.Dense(1)(joined)}
    model = keras.Model(inputs, outputs)
    model.compile("sgd", {"class": "mse", "size": "mse"})
    x = {"left": SHARES, "right": np.arange(6)[:, None]}
    y = {"is": np.eye(3)[Y], "big": np.arange(6)[:, None] / 10}
    callback = looking(validation_data=(x, y), labels=LABELS)
    targets = {"class": y["is"], "size": y["big"]}
    model.fit(x, targets, verbose=0, callbacks=[callback])
    predicted = model.predict(x, verbose=0)

    written = read_back(run)
    (data,) = logged_tables(written, "wb_validation_data")
    guessed = ["is:max_class", "big:node", "big:argmax", "big:argmin", "left:image", "right:val"]
    assert data.columns == ["is", "big", "left", "right", *guessed]
    assert data.column("is:max_class") == [LABELS[each] for each in Y]
    assert data.column("right:val") == [*range(6)]
    (table,) = predictions(written, run)
    assert set(table.columns) == {
        *("class", "size", "val_row", "class:max_class", "class:score"),
        *("size:node", "size:argmax", "size:argmin"),
    }
    assert np.array(table.column("class")) == pytest.approx(predicted["class"], rel=1e-5)
    assert np.array(table.column("size:node")) == pytest.approx(predicted["size"], rel=1e-5)


def test_pictures_in_and_out(offline_run, read_back):
    run = offline_run()
    model = keras.Sequential(
        [keras.Input((5, 4, 1)), keras.layers.Conv2D(1, 1), keras.layers.Reshape((5, 4))]
    )
    model.compile("sgd", "mse")
    masks = X[..., 0] // 86
    output = fit(model, SHARES, masks, labels=LABELS, input_type="label", output_type="label")

    written = read_back(run)
    (data,) = logged_tables(written, "wb_validation_data")
    for number, cell in enumerate(data.column("target:image")):
        assert (data.pixels(cell["path"]) == X[number, ..., 0]).all()
        assert (data.pixels(cell["masks"]["masks"]["path"]) == masks[number]).all()
    (table,) = predictions(written, run)
    assert (stored(table, "output") == output).all()
    shown = [table.pixels(cell["path"]) for cell in table.column("output:image")]
    assert [each.shape for each in shown] == [(5, 4)] * 6


def test_known_table_instead_of_the_data(offline_run, read_back):
    run = offline_run()
    known = wandb.Table(columns=["name"], data=[[f"example {number}"] for number in range(6)])
    artifact = wandb.Artifact("known", type="dataset")
    artifact.add(known, "examples")
    run.log_artifact(artifact)
    for number in range(101):  # wandb remembers a hundred artifacts
        wandb.Artifact(f"another-{number}", type="dataset")
    indexes = known.get_index()[::-1]
    fit(classifier(), X, Y, validation_indexes=indexes, infer_missing_processors=False)

    written = read_back(run)
    assert logged_tables(written, "wb_validation_data") == []
    (table,) = predictions(written, run)
    assert table.columns == ["output", "val_row"]
    target, rows = linked(table)
    assert target == f"wandb-client-artifact://{artifact._client_id}/examples.table.json"
    assert rows == [5, 4, 3, 2, 1, 0]


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 3

    def __getitem__(self, number):
        return X[2 * number :][:2], Y[2 * number :][:2]


@pytest.mark.parametrize(
    ("make_data", "steps", "count"),
    [
        (lambda: itertools.cycle([(X[:4], Y[:4]), (X[4:], Y[4:])]), 2, 6),
        (Batches, None, 6),
        (Batches, 2, 4),
        (lambda: [(X[:4], Y[:4]), (X[4:], Y[4:])], None, 6),
    ],
)
def test_batches(offline_run, read_back, make_data, steps, count):
    run = offline_run()
    data = {"validation_data": None, "generator": make_data(), "validation_steps": steps}
    scores = fit(classifier(), X, Y, **data, infer_missing_processors=False)

    written = read_back(run)
    (table,) = logged_tables(written, "wb_validation_data")
    assert table.columns == ["target", "input"]
    assert table.column("target") == Y[:count].tolist()
    assert (stored(table, "input") == X[:count]).all()
    (table,) = predictions(written, run)
    assert np.array(table.column("output")) == pytest.approx(scores[:count])


def test_second_fit(offline_run, read_back):
    run = offline_run()
    callback = looking(validation_data=(X, Y))
    model = classifier()
    for _ in range(2):
        model.fit(X, Y, verbose=0, callbacks=[callback])
    written = read_back(run)
    (data,) = logged_tables(written, "wb_validation_data")
    for table in predictions(written, run):
        target, _ = linked(table)
        assert target == f"wandb-client-artifact://{data.artifact.client_id}/{data.path}"


def returning(value):
    """Returns a processor that returns a value, or what a function makes of number and row."""
    return lambda ndx, row: value(ndx, row) if callable(value) else value


WRONG_PROCESSORS = [
    ("validation_row_processor", [0], TypeError, "must return a dictionary.*\\[0\\], for row 0"),
    (
        "validation_row_processor",
        lambda ndx, _: {"a": 0} if ndx < 5 else {"b": 1},
        ValueError,
        r"\['b'\] for row 5, and \['a'\] for row 0",
    ),
    ("output_row_processor", None, TypeError, "must return a dictionary.*None, for row 0"),
    ("output_row_processor", {"output": 0}, ValueError, r"other than \['output', 'val_row'\]"),
    ("output_row_processor", lambda _, row: row["input"], KeyError, "input"),
]


@pytest.mark.parametrize(
    ("arguments", "error", "telling"),
    [
        ({"validation_data": (X, Y[:4])}, ValueError, "same number of examples"),
        ({"validation_data": ({"a": X}, {"a": Y})}, ValueError, r"\['a'\] in both"),
        ({"validation_data": 5}, TypeError, "Received: int"),
        ({"validation_data": iter([(X, Y)])}, ValueError, "`validation_steps` must say how many"),
        (
            {"validation_data": iter([(X, Y)]), "validation_steps": 2},
            ValueError,
            "validation_steps=2, 1 batches",
        ),
        ({"validation_indexes": [0, 1]}, ValueError, "links to the rows"),
        (
            {"validation_indexes": wandb.Table(columns=["a"], data=[[0]]).get_index()},
            ValueError,
            "1 links, 6 examples",
        ),
        ({"labels": ["a", "a"]}, ValueError, "different name"),
        *(
            ({argument: returning(value)}, error, f"`{argument}`.*{telling}")
            if error is not KeyError
            else ({argument: returning(value)}, error, telling)
            for argument, value, error, telling in WRONG_PROCESSORS
        ),
    ],
)
def test_what_does_not_fit(offline_run, read_back, arguments, error, telling):
    run = offline_run()
    model = classifier()
    before = values(model)
    with pytest.raises(error, match=telling):
        fit(model, X, Y, **arguments)
    assert same(values(model)[:2], before[:2])
    assert read_back(run).history == []
