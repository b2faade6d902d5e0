"""What is private of wandb stands in one file, and costs no more than that file says."""

import ast
import inspect
import re
from pathlib import Path

import numpy as np
import pytest
import wandb
from PIL import Image

import wk_eval
from wk_core.compat import entries
from wk_core.compat.entries import ENTRIES, find
from wk_eval import ClassificationEval, DetectionEval, WandbEvalCallback
from wk_eval.tables import wandb_internals
from wk_testing.classifier import classes, classifier, images
from wk_testing.scripts import run_script
from wk_testing.tables import logged_tables

pytestmark = pytest.mark.backend_free

INTERNALS = wandb_internals.__name__
SOURCES = sorted(Path(wk_eval.__file__).parent.rglob("*.py"))
OBJECTS = (wandb.Artifact, wandb.Run, wandb.Table, wandb.Image, wandb.data_types.Classes)
# Names that other objects have as well, or that a class of this package has itself.
SHARED = {"_run", "_name", "_table"}


def private_of_wandb(source):
    """Returns the private imports of a module, and private attributes of others' wandb objects."""
    names = {name for each in OBJECTS for name in {*dir(each), *inspect.get_annotations(each)}}
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            found += [node.module] if re.match(r"wandb\.(sdk|_)", node.module or "") else []
        elif isinstance(node, ast.Import):
            found += [each.name for each in node.names if re.match(r"wandb\.(sdk|_)", each.name)]
        elif isinstance(node, ast.Attribute):
            is_private = node.attr.startswith("_") and not node.attr.startswith("__")
            is_own = ast.unparse(node.value) in ("self", "cls", "super()")
            if is_private and not is_own and node.attr in names - SHARED:
                found.append(node.attr)
    return found


def test_only_one_module_touches_it():
    others = [path for path in SOURCES if path.name != "wandb_internals.py"]
    assert len(others) > 30
    assert not {str(path): each for path in others if (each := private_of_wandb(path.read_text()))}


@pytest.mark.parametrize(
    "planted",
    [
        "from wandb.sdk.data_types import _dtypes",
        "import wandb.sdk.lib.runid",
        "image._boxes",
        "run._log_artifact(1)",
        "table._set_artifact_target",
        "classes._class_set",
    ],
)
def test_planted_fault_is_found(planted):
    assert private_of_wandb(planted)


def test_this_wandb_has_all_of_it(offline_run, said):
    source = Path(wandb_internals.__file__).read_text()
    names = {*re.findall(r'_types\("(\w+)"\)', source)}
    entries = [each for each in ENTRIES.values() if each.function.startswith(INTERNALS)]
    paths = {part for each in entries for part in each.parts if part.startswith("wandb.")}
    assert {f"wandb.sdk.data_types._dtypes.{name}" for name in names} <= paths
    assert len(paths) >= 10
    assert all(find(path) is not None for path in paths)
    assert wandb_internals.are_images_lazy()
    assert said == []

    run, artifact, table = offline_run(), wandb.Artifact("a", type="x"), wandb.Table(["a"], [[1]])
    assert callable(run._log_artifact)
    assert artifact._client_id
    assert wandb_internals.ColumnTypeMap(table).is_known
    assert wandb_internals.linked_table(table.get_index()[0]) is table
    assert table._artifact_target is None
    assert callable(table._set_artifact_target)
    image = wandb.Image(np.zeros((2, 2), "uint8"), caption="a", grouping=1)
    details = wandb_internals.ImageDetails.of(image)
    assert (details.caption, details.grouping) == ("a", 1)
    assert {"_classes", "_boxes", "_masks"} <= vars(image).keys()
    lazy = ("_path", "_is_tmp", "_extension", "_sha256", "_size")
    assert all(name in vars(image) for name in lazy)


@pytest.fixture
def said(monkeypatch):
    """What this package has warned of."""
    warnings = []
    monkeypatch.setattr(wandb, "termwarn", lambda text, **_: warnings.append(text))
    entries._say_missing.cache_clear()
    yield warnings
    entries._say_missing.cache_clear()


@pytest.fixture
def without_private_modules(monkeypatch):
    """Makes this package see a wandb that has moved all of its private modules."""

    monkeypatch.setattr(wandb_internals, "_find", lambda path: None)  # noqa: ARG005


def test_nothing_private_is_needed_to_import():
    # Only this package is imported anew, and finds none of wandb's private modules.
    script = """
        import sys, wandb, wk_eval
        for name in [*sys.modules]:
            if name.startswith("wandb.sdk.") or name.startswith("wandb._"):
                sys.modules[name] = None
            elif name.startswith("wk_eval"):
                del sys.modules[name]
        import wk_eval
        print([getattr(wk_eval, name).__name__ for name in wk_eval.__all__])
    """
    process = run_script(inspect.cleandoc(script), KERAS_BACKEND="jax")
    assert process.returncode == 0, process.stderr
    assert "WandbEvalCallback" in process.stdout


@pytest.mark.usefixtures("without_private_modules")
def test_tables_without_the_private_modules(offline_run, read_back, said):
    x, y, run = images(6), classes(6), offline_run()
    evaluation = ClassificationEval((x / 255, y), labels=["cat", "dog", "fox"])
    classifier().fit(x, y, epochs=2, verbose=0, callbacks=[evaluation])

    written = read_back(run)
    (data,) = logged_tables(written, "val")
    assert data.column("label") == [["cat", "dog", "fox"][each] for each in y]
    assert "column_types" not in data.json
    for cell, image in zip(data.column("input"), x[..., 0], strict=True):
        assert (data.pixels(cell["path"]) == image).all()
    for epoch, table in enumerate(logged_tables(written, f"run_{run.id}_pred")):
        assert table.column("epoch") == [epoch] * 6
        assert sorted(table.column("id")) == [*range(6)]
        assert {cell["path"] for cell in table.column("input")} <= table.files
    assert written.column("val/epoch") == [0, 1]
    lost = [re.search(rf"lacks what `{INTERNALS}.([^`]+)`", warning)[1] for warning in said]
    assert {"ColumnTypeMap", "_add", "reference_to", "staging_directory"} <= {*lost}
    assert len(set(lost)) == len(lost)


@pytest.mark.usefixtures("without_private_modules")
def test_boxes_without_the_private_modules(offline_run, read_back):
    x, run = images(2), offline_run()
    truth = {"boxes": np.full((2, 1, 4), [1.0, 1.0, 3.0, 3.0]), "labels": np.zeros((2, 1))}
    found = {**truth, "scores": np.ones((2, 1))}
    evaluation = DetectionEval((x, truth), labels=["cat"], decode=lambda _: found)
    classifier().fit(x, classes(2), verbose=0, callbacks=[evaluation])
    (table,) = logged_tables(read_back(run), f"run_{run.id}_pred")
    assert table.column("true_positives") == [1, 1]
    boxes = table.column("image")[0]["boxes"]
    assert boxes["predictions"][0]["position"] == boxes["ground_truth"][0]["position"]


class Looks(WandbEvalCallback):
    def __init__(self):
        super().__init__(["image", "moment"], ["image"])

    def add_ground_truth(self, logs=None):  # noqa: ARG002
        for image in images(2) / 255:
            self.data_table.add_data(self.image(image, caption="own"), {"a": [1, None]})

    def add_model_predictions(self, epoch, logs=None):  # noqa: ARG002
        for row in self.data_table_ref:
            self.pred_table.add_data(row[0])


def test_images_where_wandb_makes_them_in_another_way(monkeypatch, offline_run, read_back, said):
    monkeypatch.setattr(wandb_internals, "_HOOKS", ("_make_differently",))
    run = offline_run()
    classifier().fit(images(), classes(), epochs=2, verbose=0, callbacks=[Looks()])

    written = read_back(run)
    (data,) = logged_tables(written, "val")
    for cell, image in zip(data.column("image"), images(2)[..., 0], strict=True):
        assert cell["caption"] == "own"
        assert (data.pixels(cell["path"]) == image).all()
    assert len(said) == 1
    assert f"lacks what `{INTERNALS}.LazyImage` stands on" in said[0]
    assert "images of tables are encoded" in said[0]
    assert len(logged_tables(written, f"run_{run.id}_pred")) == 2


def test_lazy_image_becomes_an_ordinary_one_without_the_private_method(monkeypatch, offline_run):
    monkeypatch.setattr(wandb_internals, "_make_from_data", None)
    run = offline_run()
    pixels = images(1)[0, ..., 0]
    image = Looks().image(pixels, caption="a")
    run.log({"image": image})
    assert type(image) is wandb.Image
    with Image.open(Path(run.settings.files_dir, run.summary["image"]["path"])) as picture:
        assert (np.asarray(picture) == pixels).all()
    assert run.summary["image"]["caption"] == "a"
