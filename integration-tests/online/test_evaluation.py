"""Evaluations arrive whole, refer to what is there, and are the same online and synced later."""

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import wandb
from PIL import Image

from wandb_loopback.reading import read_path, sync
from wk_core.compat.keras.flavour import keras
from wk_eval import ClassificationEval, SegmentationEval, WandbEvalCallback
from wk_testing.classifier import classes, classifier, images
from wk_testing.client import history
from wk_testing.documented_evaluations import example


class Anew(WandbEvalCallback):
    """Makes the images of the predictions anew, instead of taking those of the data."""

    def __init__(self, run=None):
        super().__init__(["idx", "image"], ["epoch", "idx", "image", "pred"], run=run)

    def add_ground_truth(self, logs=None):  # noqa: ARG002
        for idx, image in enumerate(images()):
            self.data_table.add_data(idx, wandb.Image(image))

    def add_model_predictions(self, epoch, logs=None):  # noqa: ARG002
        preds = self.model.predict(images(), verbose=0).argmax(axis=-1)
        for idx, image in enumerate(images()):
            self.pred_table.add_data(epoch, idx, wandb.Image(image), preds[idx])


class LookAtNoise(WandbEvalCallback):
    """Has large pictures in its data, and in the predictions the same ones or, as a check, new.

    No two of them have a picture in common, since the server keeps each content once.
    """

    numbers = itertools.count(step=1000)

    def __init__(self, *, copies):
        super().__init__(["image"], ["epoch", "image"])
        self.copies = copies
        self.first = next(self.numbers)

    def add_ground_truth(self, logs=None):  # noqa: ARG002
        for number in range(PICTURES):
            self.data_table.add_data(wandb.Image(noise(self.first + number)))

    def add_model_predictions(self, epoch, logs=None):  # noqa: ARG002
        for number in range(PICTURES):
            new = wandb.Image(noise(self.first + (epoch + 1) * PICTURES + number))
            known = self.data_table_ref[number][0]
            self.pred_table.add_data(epoch, new if self.copies else known)


PICTURES = 5


def noise(seed: int) -> np.ndarray:
    """Returns a picture that takes about 10,000 bytes, however it is encoded."""
    return np.random.default_rng(seed).integers(0, 256, (100, 100), dtype="uint8")


def fit(callbacks, *, epochs=2):
    classifier().fit(images(), classes(), epochs=epochs, verbose=0, callbacks=callbacks)


def finish(run: wandb.Run) -> None:
    run.finish()
    if run.settings.mode == "offline":
        sync(run)


def tables_of(seen: Any) -> dict[str, tuple[Any, dict[str, Any]]]:
    """Returns artifact and table of each version that a run has logged or used, by its name."""
    found = {}
    for artifact in [*seen.logged_artifacts(), *seen.used_artifacts()]:
        if artifact.type in ("dataset", "evaluation"):
            (path,) = [path for path in artifact.manifest.entries if path.endswith("table.json")]
            table = json.loads(Path(artifact.get_entry(path).download()).read_text())
            found[artifact.name] = artifact, table
    return found


@pytest.mark.parametrize("mode", ["online", "offline"])
@pytest.mark.parametrize("callback", [example, Anew])
def test_predictions_refer_to_the_data(wandb_server, mode, callback):
    run = wandb.init(project="p", mode=mode)
    fit([callback()], epochs=3)
    finish(run)

    tables = tables_of(read_path(f"p/{run.id}", wandb_server.url))
    data, content = tables.pop("val:v0")
    pictures = {path: entry for path, entry in data.manifest.entries.items() if "image" in path}
    assert len(pictures) == 6
    assert sorted(tables) == [f"run_{run.id}_pred:v{epoch}" for epoch in range(3)]
    for artifact, table in tables.values():
        entries = dict(artifact.manifest.entries)
        assert entries.pop("eval_data.table.json").ref is None
        assert set(entries) == set(pictures)
        for path, entry in entries.items():
            assert entry.ref.startswith("wandb-artifact://")
            assert entry.digest == pictures[path].digest
        assert [row[2] for row in table["data"]] == [row[1] for row in content["data"]]


@pytest.mark.parametrize("mode", ["online", "offline"])
def test_bytes_that_an_epoch_adds(wandb_server, mode):
    picture = 10_000
    grown = {}
    for copies in (False, True):
        stored = []
        for epochs in (1, 3):
            before = wandb_server.stored_bytes()
            run = wandb.init(project="p", mode=mode)
            fit([LookAtNoise(copies=copies)], epochs=epochs)
            finish(run)
            stored.append(wandb_server.stored_bytes() - before)
        grown[copies] = (stored[1] - stored[0]) / 2
    # What an epoch adds is its table and its list of references, less than a single picture.
    assert grown[False] < picture / 2
    assert grown[True] > PICTURES * picture


def test_wandb_reads_the_stored_table(wandb_server):
    with wandb.init(project="p") as run:
        fit([example()])

    api = wandb.Api(overrides={"base_url": wandb_server.url})
    table = api.artifact(f"{run.entity}/p/run_{run.id}_pred:latest").get("eval_data")
    assert table.columns == ["epoch", "idx", "image", "label", "pred"]
    assert [row[0] for row in table.data] == [1] * 6
    for row, image in zip(table.data, images(), strict=True):
        assert (np.asarray(row[2].image) == image[..., 0]).all()


@pytest.mark.usefixtures("wandb_server")
def test_picture_of_the_data_after_the_upload():
    with wandb.init(project="p"):
        callback = example()
        fit([callback])
    cell = callback.data_table_ref[3][1]
    assert (np.asarray(cell.image) == images()[3, ..., 0]).all()


# Two runs of one training do not share these; the names of media have the run's step in them.
LEFT_OUT = {"artifact_path", "_latest_artifact_path", "_runtime", "_timestamp"}


def comparable(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: comparable(each) for key, each in value.items() if key not in LEFT_OUT}
    return [comparable(each) for each in value] if isinstance(value, list) else value


@pytest.mark.usefixtures("wandb_server")
def test_synced_offline_run_is_the_online_run():
    runs = [
        wandb.init(project="p", mode=mode, reinit="create_new") for mode in ("online", "offline")
    ]
    evaluations = [
        ClassificationEval((images(), classes()), name="look", run=run, curves=False)
        for run in runs
    ]
    fit([*evaluations, *(Anew(run) for run in runs)])
    for run in runs:
        finish(run)

    facts = []
    for run in runs:
        seen = read_path(f"p/{run.id}", runs[0].settings.base_url)
        tables = {
            name.replace(run.id, "<id>"): (artifact.type, sorted(artifact.aliases), table)
            for name, (artifact, table) in tables_of(seen).items()
        }
        rows = [comparable(row) for row in history(seen)]
        used = sorted(each.name for each in seen.used_artifacts())
        facts.append({"tables": tables, "history": rows, "used": used})
    online, synced = facts
    assert sorted(online["tables"]) == [
        "look:v0",
        *(f"run_<id>_look_moves:v{version}" for version in range(1)),
        *(f"run_<id>_look_pred:v{version}" for version in range(2)),
        *(f"run_<id>_pred:v{version}" for version in range(2)),
        "val:v0",
    ]
    assert online["used"] == ["look:v0", "val:v0"]
    assert len(online["history"]) == 2
    assert online == synced


@pytest.mark.parametrize("mode", ["online", "offline"])
def test_masks_arrive(wandb_server, mode):
    masks = (images()[..., 0] > 128).astype("uint8")
    model = keras.Sequential([keras.Input((5, 4, 1)), keras.layers.Conv2D(2, 1)])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    run = wandb.init(project="p", mode=mode)
    evaluation = SegmentationEval((images(), masks), labels=["dark", "bright"])
    model.fit(images(), masks, verbose=0, callbacks=[evaluation])
    finish(run)

    seen = read_path(f"p/{run.id}", wandb_server.url)
    (artifact,) = [each for each in seen.logged_artifacts() if each.name.endswith("_pred:v0")]
    table = artifact.get("eval_data")
    assert len(table.data) == 6
    for _, number, image, *_ in table.data:
        assert set(image._masks) == {"ground_truth", "prediction"}
        truth = np.asarray(Image.open(image._masks["ground_truth"]._path))
        assert (truth == masks[number]).all()
        assert (np.asarray(image.image) == images()[number, ..., 0]).all()
