"""What the tables take, and what can be read back from them."""

import datetime
import gc
import threading
import weakref

import numpy as np
import pytest
import wandb

from wk_eval.tables.table_logger import TableLogger
from wk_testing.scripts import run_script
from wk_testing.tables import logged_tables
from wk_testing.wandb_file import read_run

pytestmark = pytest.mark.backend_free


@pytest.fixture
def log(offline_run):
    tables = TableLogger(offline_run(), "Test")
    yield tables
    tables.close()


def test_rows_are_read_while_they_wait_and_afterwards(log):
    table = log.table(["a", "b"])
    table.add_data(1, "x")
    assert table.data[0] == [1, "x"]
    table.flush()
    table.add_data(2, "y")
    assert [row for row in table.data] == [[1, "x"], [2, "y"]]  # noqa: C416  one at a time
    assert table.data[-1] == [2, "y"]
    assert table.data[:1] == [[1, "x"]]
    assert len(table.data) == 2
    assert table.get_column("b") == ["x", "y"]
    assert [int(index) for index, _ in table.iterrows()] == [0, 1]


def test_last_row_can_be_the_first_one_that_is_read(log):
    table = log.table(["a"])
    table.add_data(1)
    assert table.data[-1] == [1]


def test_what_nobody_needs_any_more_is_gone_at_once(log):
    gc.disable()
    try:
        table = log.table(["image"])
        table.add_data(wandb.Image(np.zeros((4, 4), "uint8")))
        log.log_data(table, "val", "dataset", "val_data")
        log.flush()
        assert table.data[0]
        store = weakref.ref(table.store)
        del table
        assert store() is None
    finally:
        gc.enable()


def test_kinds_of_cells(log, read_back):
    moment = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
    cells = {
        "numpy": np.float32(0.5),
        "integer": np.int64(3),
        "array": np.arange(3),
        "matrix": np.eye(2),
        "tuple": (1, 2),
        "dict": {"a": 1},
        "moment": moment,
        "none": None,
        "html": wandb.Html("<b>x</b>"),
    }
    table = log.table(list(cells), mixed=True)
    table.add_data(*cells.values())
    log.log_data(table, "val", "dataset", "val_data")
    predictions = log.table(["html", "moment"], source=table)
    predictions.add_data(table.data[0][8], table.data[0][6])
    log.flush()
    read = table.data[0]
    again = log.table(["html"], source=table)
    again.add_data(read[8])
    for each in (predictions, again):
        log.log_predictions(each, "pred", "evaluation", "eval_data", [])
    log.flush()

    written = read_back(wandb.run)
    (data,) = logged_tables(written, "val")
    (row,) = data.rows
    assert row[:6] == [0.5, 3, [0, 1, 2], [[1.0, 0.0], [0.0, 1.0]], [1, 2], {"a": 1}]
    assert row[6] == int(moment.timestamp() * 1000)
    assert row[7] is None
    assert row[8]["path"] in data.files
    for table in logged_tables(written, "pred"):
        assert table.rows[0][0]["path"] == row[8]["path"]
        assert set(table.references) == {row[8]["path"]}


def test_index_of_another_table(log, read_back):
    table = log.table(["a"], mixed=True)
    table.add_data(5)
    log.log_data(table, "val", "dataset", "val_data")
    predictions = log.table(["row"], source=table)
    for index in table.get_index():
        predictions.add_data(index)
    log.log_predictions(predictions, "pred", "evaluation", "eval_data", [])
    log.flush()

    (logged,) = logged_tables(read_back(wandb.run), "pred")
    assert logged.rows == [[0]]
    assert logged.json["column_types"]["params"]["type_map"]["row"]["wb_type"] == "foreignIndex"
    assert len(logged.references) == 1


def test_added_column(log, read_back):
    table = log.table(["a"])
    table.add_data(1)
    table.add_data(2)
    table.add_column("b", ["x", "y"])
    table.add_data(3, "z")
    log.log_data(table, "val", "dataset", "val_data")
    started = log.table([])
    started.add_column("c", [1, 2])
    log.log_data(started, "columns", "dataset", "val_data")
    log.flush()

    written = read_back(wandb.run)
    assert logged_tables(written, "val")[0].rows == [[1, "x"], [2, "y"], [3, "z"]]
    assert logged_tables(written, "columns")[0].rows == [[1], [2]]


def test_bad_column(log):
    table = log.table(["a"])
    table.add_data(1)
    with pytest.raises(ValueError, match=r"A new column needs a name other than.*name='a'"):
        table.add_column("a", [1])
    with pytest.raises(ValueError, match=r"and 1 cells\. Received: name='b', 2 cells"):
        table.add_column("b", [1, 2])


def test_logged_table_goes_to_the_run_as_well(log, read_back):
    table = log.table(["a"])
    table.add_data(1)
    log.log_predictions(table, "pred", "evaluation", "eval_data", [])
    wandb.run.log({"shown": table})

    written = read_back(wandb.run)
    assert written.column("shown/nrows") == [1]
    (pred,) = [each for each in written.artifacts if each.name == "pred"]
    assert written.column("shown/artifact_path") == [
        f"wandb-client-artifact://{pred.client_id}/eval_data.table.json"
    ]


def test_cell_in_a_table_of_the_users(log, read_back):
    table = log.table(["image"], mixed=True)
    log.defer_images()
    table.add_data(wandb.Image(np.zeros((2, 2), "uint8")))
    log.stop_deferring()
    log.log_data(table, "val", "dataset", "val_data")
    log.flush()
    own = wandb.Table(["image"], [[table.data[0][0]]])
    artifact = wandb.Artifact("own", type="x")
    artifact.add(own, "own")

    (entry,) = [each for each in artifact.manifest.entries.values() if "image" in each.path]
    assert entry.ref.startswith("wandb-client-artifact://")
    assert read_back(wandb.run).exit_code == 0


def test_rows_cannot_be_set(log):
    with pytest.raises(TypeError, match="add them with `add_data`"):
        log.table(["a"]).data = [[1]]


def test_filling_waits_where_storing_cannot_keep_up(offline_run, monkeypatch):
    monkeypatch.setattr("wk_eval.tables.spooled_table._CHUNK_IMAGES", 2)
    monkeypatch.setattr("wk_core.async_logger._CAPACITY", 3)
    log = TableLogger(offline_run(), "Test")
    gate, table = threading.Event(), log.table(["image"], mixed=True)
    log.submit(gate.wait)
    added = []

    def add():
        log.defer_images()
        for number in range(30):
            table.add_data(wandb.Image(np.full((20, 20), number, "uint8")))
            added.append(number)
        log.stop_deferring()

    filling = threading.Thread(target=add)
    filling.start()
    filling.join(timeout=2)
    assert filling.is_alive()
    assert len(added) <= 2 * (3 + 1)
    gate.set()
    filling.join()
    assert [int(np.asarray(row[0].image)[0, 0]) for row in table.data] == list(range(30))
    log.close()


def test_image_that_is_looked_at_while_it_waits(offline_run, read_back):
    run = offline_run()
    log, gate, pixels = TableLogger(run, "Test"), threading.Event(), np.eye(9, dtype="uint8")
    log.submit(gate.wait)
    table = log.table(["image"], mixed=True)
    log.defer_images()
    images = [wandb.Image(pixels * number) for number in range(1, 4)]
    log.stop_deferring()
    for image in images:
        table.add_data(image)
    looked_at = images[0].image, table.data[1][0].image, table.data[2][0].image
    log.log_data(table, "val", "dataset", "val_data")
    predictions = log.table(["image"], source=table)
    for known in [*images, *(row[0] for row in table.data)]:
        predictions.add_data(known)
    log.log_predictions(predictions, "pred", "evaluation", "eval_data", [])
    gate.set()
    log.close()

    written = read_back(run)
    (data,), (table,) = (logged_tables(written, name) for name in ("val", "pred"))
    assert len(data.files) == 3 + 1
    assert table.files == {table.path}
    assert table.column("image") == data.column("image") * 2
    for number, (image, (cell,)) in enumerate(zip(looked_at, data.rows, strict=True), start=1):
        assert (np.asarray(image) == pixels * number).all()
        assert (data.pixels(cell["path"]) == pixels * number).all()


MEMORY = """
import sys
import wandb
from wk_eval.tables.table_logger import TableLogger

ROWS = 200_000

def peak(what):
    with open("/proc/self/status") as file:
        (line,) = [line for line in file if line.startswith(what)]
    return int(line.split()[1]) / 1024

with wandb.init(project="test", mode="offline", dir=sys.argv[1]) as run:
    before = peak("VmRSS")
    log = TableLogger(run, "Test")
    data = log.table(["id", "text", "label"], mixed=True)
    for number in range(ROWS):
        data.add_data(number, f"the text of example {number}, which is of some length", number % 7)
    log.log_data(data, "val", "dataset", "val_data")
    for epoch in range(2):
        predictions = log.table(["epoch", "id", "text", "label", "score"], source=data)
        for index in data.get_index():
            predictions.add_data(epoch, *data[index], number / ROWS)
        log.log_predictions(predictions, "pred", "evaluation", "eval_data", [])
    log.close()
    print(peak("VmHWM") - before)
"""


def test_200_000_rows_take_little_memory(tmp_path):
    process = run_script(MEMORY, str(tmp_path), KERAS_BACKEND="jax")
    assert process.returncode == 0, process.stderr
    assert float(process.stdout.splitlines()[-1]) < 250  # MB; a list of the rows alone takes more
    written = read_run(tmp_path)
    assert len(logged_tables(written, "val")[0].rows) == 200_000
    for epoch, table in enumerate(logged_tables(written, "pred")):
        assert len(table.rows) == 200_000
        assert table.rows[-1][:2] == [epoch, 199_999]
