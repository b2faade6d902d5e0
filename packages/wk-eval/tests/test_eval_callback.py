"""The base class: what W&B documents of it, offline, read back from what the run wrote."""

import json
import threading
from pathlib import Path

import keras
import numpy as np
import pytest
import wandb

from wk_core.compat.keras.flavour import backend
from wk_core.epochs import epoch_counter
from wk_eval import WandbEvalCallback
from wk_testing.classifier import classes, classifier, images
from wk_testing.documented_evaluations import (
    OfTheReference,
    OfTheTutorial,
    WandbClfEvalCallback,
    example,
)
from wk_testing.endings import interruptions
from wk_testing.scripts import run_script
from wk_testing.tables import logged_tables
from wk_testing.wandb_file import read_run

EXAMPLES = (
    WandbClfEvalCallback,
    OfTheReference,
    pytest.param(
        OfTheTutorial,
        marks=pytest.mark.skipif(
            backend() == "torch", reason="it hands TensorFlow a tensor that has gradients"
        ),
    ),
)


def fit(callback, *, epochs=2, model=None):
    model = model or classifier()
    model.fit(images(), classes(), batch_size=2, epochs=epochs, verbose=0, callbacks=[callback])
    return model


class Tables(WandbEvalCallback):
    """Logs numbers, to see what becomes of them."""

    def __init__(self, **arguments):
        super().__init__(["id"], ["epoch", "value"], **arguments)

    def add_ground_truth(self, logs=None):  # noqa: ARG002
        self.data_table.add_data(7)

    def add_model_predictions(self, epoch, logs=None):  # noqa: ARG002
        self.pred_table.add_data(epoch, self.data_table_ref[0][0])


@pytest.mark.parametrize("kind", EXAMPLES)
def test_documented_example(kind, offline_run, read_back):
    run = offline_run()
    predicted = []

    class Predict(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):  # noqa: ARG002
            predicted.append(self.model.predict(images(), verbose=0).argmax(axis=-1).tolist())

    model = classifier()
    model.fit(
        images(), classes(), batch_size=2, epochs=2, verbose=0, callbacks=[example(kind), Predict()]
    )

    written = read_back(run)
    (data,) = logged_tables(written, "val")
    assert (data.artifact.type, list(data.artifact.aliases)) == ("dataset", ["latest"])
    assert data.artifact.use_after_commit
    assert data.path == "val_data.table.json"
    assert data.columns == ["idx", "image", "label"]
    assert data.column("idx") == list(range(6))
    assert data.column("label") == classes().tolist()
    for cell, image in zip(data.column("image"), images(), strict=True):
        assert (cell["height"], cell["width"], cell["format"]) == (5, 4, "png")
        assert (data.pixels(cell["path"]) == image[..., 0]).all()

    tables = logged_tables(written, f"run_{run.id}_pred")
    assert len(tables) == 2
    for epoch, table in enumerate(tables):
        assert (table.artifact.type, list(table.artifact.aliases)) == ("evaluation", ["latest"])
        assert table.path == "eval_data.table.json"
        assert table.column("epoch") == [epoch] * 6
        assert table.column("pred") == predicted[epoch]
        assert table.column("image") == data.column("image")
        assert table.type_names["image"] == {"image-file", "none"}
        assert table.type_names["pred"] == {"number", "none"}


@pytest.mark.parametrize("kind", EXAMPLES)
def test_predictions_refer_to_the_data(kind, offline_run, read_back):
    run = offline_run()
    fit(example(kind))

    written = read_back(run)
    (data,) = logged_tables(written, "val")
    assert len(data.files) == 6 + 1
    for table in logged_tables(written, f"run_{run.id}_pred"):
        assert table.files == {"eval_data.table.json"}
        expected = {
            path: f"wandb-client-artifact://{data.artifact.client_id}/{path}"
            for path in data.files - {data.path}
        }
        assert table.references == expected


@pytest.mark.backend_free
def test_table_is_the_one_that_wandb_writes(offline_run, read_back):
    rows = [[0, "a", 1.5, None, [1, 2]], [1, "b", float("nan"), True, [3, 4]]]
    columns = ["int", "text", "float", "bool", "list"]

    class Rows(WandbEvalCallback):
        def add_ground_truth(self):
            pass

        def add_model_predictions(self, epoch):  # noqa: ARG002
            for row in rows:
                self.pred_table.add_data(*row)

    run = offline_run()
    fit(Rows([], columns), epochs=1)
    artifact = wandb.Artifact("theirs", type="x")
    entry = artifact.add(wandb.Table(columns=columns, data=rows), "eval_data")

    (ours,) = logged_tables(read_back(run), f"run_{run.id}_pred")
    theirs = json.loads(Path(entry.local_path).read_text())
    assert json.dumps(ours.json, sort_keys=True) == json.dumps(theirs, sort_keys=True)


@pytest.mark.backend_free
def test_other_name_of_the_method(offline_run, read_back):
    class Singular(Tables):
        add_model_predictions = WandbEvalCallback.add_model_predictions

        def add_model_prediction(self, epoch):
            self.pred_table.add_data(epoch, 1)

    run = offline_run()
    fit(Singular())

    tables = logged_tables(read_back(run), f"run_{run.id}_pred")
    assert [table.rows for table in tables] == [[[0, 1]], [[1, 1]]]


@pytest.mark.backend_free
def test_both_forms_of_a_cell(offline_run):
    offline_run()
    callback = example()
    fit(callback)

    reference = callback.data_table_ref
    assert isinstance(reference, wandb.Table)
    assert reference.get_index() == list(range(6))
    assert reference[4][2] == reference.data[4][2] == 1
    assert reference[-1][0] == 5
    assert [row[0] for row in reference] == list(range(6))
    with pytest.raises(IndexError, match="There are 6 rows"):
        reference[6]
    assert isinstance(reference[4][1], wandb.Image)
    assert (np.asarray(reference[4][1].image) == images()[4, ..., 0]).all()


@pytest.mark.backend_free
def test_every_and_aliases(offline_run, read_back):
    run = offline_run()
    fit(Tables(every=2, aliases=["newest", "mine"]), epochs=5)

    tables = logged_tables(read_back(run), f"run_{run.id}_pred")
    assert [table.column("epoch") for table in tables] == [[1], [3]]
    assert [sorted(table.artifact.aliases) for table in tables] == [
        ["latest", "mine", "newest"]
    ] * 2


@pytest.mark.backend_free
def test_every_counts_epochs_of_the_whole_training(offline_run, read_back):
    run = offline_run()
    callback = Tables(every=2)
    model = fit(callback, epochs=3)
    fit(callback, epochs=4, model=model)

    # Epochs 1, 3 and 5 of the training; of the second `fit` they are 0 and 2.
    tables = logged_tables(read_back(run), f"run_{run.id}_pred")
    assert [table.column("epoch") for table in tables] == [[1], [0], [2]]


@pytest.mark.backend_free
def test_every_counts_on_in_a_resumed_training(offline_run, read_back):
    offline_run()
    before = Tables(every=3)
    fit(before, epochs=2)
    state = before.get_training_state()
    wandb.finish()

    run = offline_run()
    resumed = Tables(every=3)
    resumed.set_training_state(state)
    fit(resumed, epochs=5)
    tables = logged_tables(read_back(run), f"run_{run.id}_pred")
    assert [table.column("epoch") for table in tables] == [[0], [3]]


@pytest.mark.backend_free
def test_callback_that_overrides_the_beginnings_leaves_the_shared_count_alone(offline_run):
    class Own(Tables):
        def on_epoch_begin(self, epoch, logs=None):
            pass

    run = offline_run()
    model = fit(Tables(), epochs=3)
    fit(Own(), epochs=1, model=model)
    assert epoch_counter(run).next == 3


@pytest.mark.backend_free
def test_overridden_train_begin_and_epoch_end(offline_run, read_back):
    class Own(Tables):
        def on_train_begin(self, logs=None):  # noqa: ARG002
            self.init_data_table(column_names=["a", "b"])
            self.data_table.add_data(1, 2)
            self.log_data_table(name="mine", type="kind", table_name="rows")

        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1:
                self.init_pred_table(column_names=["c"])
                self.pred_table.add_data(logs["loss"])
                self.log_pred_table(type="look", table_name="table", aliases=["last"])

    run = offline_run()
    model = fit(Own())

    written = read_back(run)
    (data,) = logged_tables(written, "mine")
    assert (data.artifact.type, data.path, data.rows) == ("kind", "rows.table.json", [[1, 2]])
    (table,) = logged_tables(written, f"run_{run.id}_pred")
    assert (table.artifact.type, table.path) == ("look", "table.table.json")
    assert sorted(table.artifact.aliases) == ["last", "latest"]
    assert table.rows == [[pytest.approx(model.history.history["loss"][1])]]


def test_every_n_batches(offline_run, read_back):
    class Batches(Tables):
        def on_train_batch_end(self, batch, logs=None):  # noqa: ARG002
            if batch % 2 == 0:
                self.init_pred_table(column_names=["batch", "pred"])
                pred = self.model.predict(images(1), verbose=0).argmax()
                self.pred_table.add_data(batch, pred)
                self.log_pred_table()

        def on_epoch_end(self, epoch, logs=None):
            pass

    run = offline_run()
    fit(Batches())

    tables = logged_tables(read_back(run), f"run_{run.id}_pred")
    assert [table.column("batch") for table in tables] == [[0], [2]] * 2
    assert all(table.column("pred")[0] in range(3) for table in tables)


@pytest.mark.backend_free
def test_batches_are_left_to_keras(offline_run):
    offline_run()
    for hook in ("on_train_batch_begin", "on_train_batch_end", "on_test_batch_end"):
        assert getattr(Tables(), hook)._is_default


def test_second_fit(offline_run, read_back):
    run = offline_run()
    callback = example()
    model = fit(callback, epochs=1)
    fit(callback, epochs=1, model=model)

    written = read_back(run)
    first, second = logged_tables(written, "val")
    assert first.json == second.json
    tables = logged_tables(written, f"run_{run.id}_pred")
    for table, data in zip(tables, (first, second), strict=True):
        assert all(data.artifact.client_id in ref for ref in table.references.values())


@pytest.mark.backend_free
def test_run_that_is_named(offline_run, read_back):
    runs = [offline_run(reinit="create_new") for _ in range(2)]
    for run in runs:
        fit(Tables(run=run), epochs=1)
    for run in runs:
        assert len(logged_tables(read_back(run), f"run_{run.id}_pred")) == 1


@pytest.mark.backend_free
def test_no_run():
    with pytest.raises(wandb.Error, match=r"Tables needs a W&B run.*wandb.init\(\)"):
        Tables()


@pytest.mark.backend_free
def test_finished_run(offline_run):
    run = offline_run()
    run.finish()
    with pytest.raises(wandb.Error, match="is finished"):
        Tables(run=run)


@pytest.mark.backend_free
def test_disabled_run(tmp_path):
    class Costly(Tables):
        def add_ground_truth(self, *_):
            raise AssertionError("nothing is to be done")

        add_model_predictions = add_ground_truth

    class Own(Tables):
        def on_epoch_end(self, epoch, logs=None):  # noqa: ARG002
            self.init_pred_table(column_names=["a"])
            self.pred_table.add_data(epoch)
            self.log_pred_table()

    with wandb.init(mode="disabled", dir=tmp_path) as run:
        fit(Costly(run=run))
        fit(Own(run=run))
    assert not [*tmp_path.rglob("*.wandb"), *tmp_path.rglob("*.json")]


@pytest.mark.backend_free
@pytest.mark.parametrize(
    ("arguments", "telling"),
    [
        ({"every": 0}, "`every` must be a whole number of epochs.*every=0"),
        ({"every": True}, "every=True"),
        ({"every": 1.5}, "every=1.5"),
        ({"aliases": "best"}, "`aliases` must be a list of names.*'best'"),
        ({"aliases": [1]}, r"aliases=\[1\]"),
    ],
)
def test_bad_arguments(offline_run, arguments, telling):
    offline_run()
    with pytest.raises(ValueError, match=telling):
        Tables(**arguments)


@pytest.mark.backend_free
@pytest.mark.parametrize("columns", ["id", ["a", "a"], [1.5], None])
def test_bad_columns(offline_run, columns):
    class Columns(Tables):
        def __init__(self):
            WandbEvalCallback.__init__(self, columns, ["a"])

    offline_run()
    with pytest.raises(ValueError, match="`data_table_columns` must be a list of different names"):
        Columns()


@pytest.mark.backend_free
def test_subclass_without_predictions(offline_run):
    class Half(WandbEvalCallback):
        def add_ground_truth(self, logs=None):
            pass

    offline_run()
    with pytest.raises(TypeError, match="Half has to define `add_model_predictions"):
        Half([], [])


@pytest.mark.backend_free
def test_subclass_without_ground_truth(offline_run):
    class Half(WandbEvalCallback):
        def add_model_predictions(self, epoch, logs=None):
            pass

    offline_run()
    with pytest.raises(TypeError, match="add_ground_truth"):
        Half([], [])


@pytest.mark.backend_free
def test_wrong_number_of_cells(offline_run):
    class Short(Tables):
        def add_ground_truth(self, logs=None):  # noqa: ARG002
            self.data_table.add_data(1, 2)

    offline_run()
    with pytest.raises(ValueError, match=r"This table has 1 columns, \['id'\]. Received: 2 cells"):
        fit(Short())


@pytest.mark.backend_free
def test_error_of_the_background_comes_back(offline_run, read_back):
    class Mixed(Tables):
        def add_model_predictions(self, epoch, logs=None):  # noqa: ARG002
            self.pred_table.add_data(epoch, 1)
            self.pred_table.add_data(epoch, "one")

    run = offline_run()
    with pytest.raises(TypeError, match=r"Column 'value' holds cells of type.*'one'"):
        fit(Mixed(), epochs=20)
    assert logged_tables(read_back(run), f"run_{run.id}_pred") == []


@pytest.mark.backend_free
def test_full_table(offline_run, monkeypatch):
    monkeypatch.setattr(wandb.Table, "MAX_ARTIFACT_ROWS", 3)

    class Many(Tables):
        def add_ground_truth(self, logs=None):  # noqa: ARG002
            for number in range(4):
                self.data_table.add_data(number)

    offline_run()
    with pytest.raises(ValueError, match="holds 3 rows at most"):
        fit(Many())


@pytest.mark.backend_free
def test_no_thread_is_left_behind(offline_run):
    offline_run()
    before = set(threading.enumerate())
    fit(example())
    left = set(threading.enumerate()) - before
    assert not [thread for thread in left if thread.name.startswith("wk_")]


@pytest.mark.backend_free
def test_images_are_wandbs_own_afterwards(offline_run):
    offline_run()
    before = wandb.Image._initialize_from_data
    fit(example())
    assert wandb.Image._initialize_from_data is before
    assert type(wandb.Image(images()[0])) is wandb.Image


SCRIPT = """
import wandb
from wk_core.compat.keras.flavour import keras
from wk_eval import WandbEvalCallback
from wk_testing.classifier import classes, classifier, images

class Look(WandbEvalCallback):
    def add_ground_truth(self):
        for number, image in enumerate(images()):
            self.data_table.add_data(number, wandb.Image(image))

    def add_model_predictions(self, epoch):
        for number in self.data_table_ref.get_index():
            self.pred_table.add_data(epoch, self.data_table_ref[number][1])

class Interrupt(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        if epoch == 1:
            raise {error}("interrupted")

run = wandb.init(project="test", id="abc", dir={directory!r})
callbacks = [Look(["id", "image"], ["epoch", "image"]), Interrupt()]
{ending}
"""
ENDINGS = {
    "with": "with run:\n    {fit}",
    "finish": "try:\n    {fit}\nfinally:\n    wandb.finish(1)",
    "process": "{fit}",
}


@pytest.mark.parametrize(("ending", "error", "its_backend"), interruptions(ENDINGS))
def test_interrupted_process(tmp_path, ending, error, its_backend):
    fit = "classifier().fit(images(), classes(), epochs=9, verbose=0, callbacks=callbacks)"
    ending = ENDINGS[ending].format(fit=fit)
    script = SCRIPT.format(error=error, directory=str(tmp_path), ending=ending)
    process = run_script(script, KERAS_BACKEND=its_backend)

    assert f"{error}: interrupted" in process.stderr
    written = read_run(tmp_path)
    (data,) = logged_tables(written, "val")
    tables = logged_tables(written, "run_abc_pred")
    assert [table.column("epoch") for table in tables] == [[0] * 6, [1] * 6]
    assert all(len(table.references) == len(data.files) - 1 == 6 for table in tables)
