"""What `WandbCallback` says of the validation data arrives, and is linked as it should be."""

import numpy as np
import pytest
import wandb

from wandb_loopback.reading import column, read_path, sync
from wk_legacy import WandbCallback
from wk_testing.classifier import classes, classifier, images

LABELS = ["first", "second", "third"]


@pytest.mark.parametrize("mode", ["online", "offline"])
def test_predictions_are_linked_to_the_data(wandb_server, mode):
    run = wandb.init(project="p", mode=mode)
    arguments = {
        "validation_data": (images(), classes()),
        "labels": LABELS,
        "log_evaluation": True,
        "log_evaluation_frequency": 2,
        "monitor": "loss",
        "save_model": False,
        "validation_row_processor": lambda _, row: {"picture": wandb.Image(row["input"] / 255)},
        "output_row_processor": lambda _, row: {
            "picture": row["val_row"].get_row()["picture"],
            "best": LABELS[row["output"].argmax()],
        },
    }
    model = classifier()
    model.fit(images(), classes(), epochs=2, verbose=0, callbacks=[WandbCallback(**arguments)])
    scores = model.predict(images(), verbose=0)
    run.finish()
    if mode == "offline":
        sync(run)

    seen = read_path(f"p/{run.id}", wandb_server.url)
    (data,) = seen.used_artifacts()
    assert (data.name, data.type) == ("wb_validation_data:v0", "validation_dataset")
    assert np.shape(column(seen, "examples")[0]["captions"]) == (6,)
    name = f"run-{run.id}-validation_predictions"
    logged = {each.name: each for each in seen.logged_artifacts()}
    assert sorted(logged) == [f"{name}:v0", f"{name}:v1"]
    table = logged[f"{name}:v1"].get("validation_predictions")
    assert table.columns == ["output", "val_row", "picture", "best"]
    assert np.array(table.get_column("output")) == pytest.approx(scores)
    for number, (_, link, picture, best) in enumerate(table.data):
        row = link.get_row()
        assert link == number
        assert row["target"] == classes()[number]
        assert (row["input"] == images()[number]).all()
        assert (np.asarray(row["picture"].image) == images()[number, ..., 0]).all()
        assert (np.asarray(picture.image) == images()[number, ..., 0]).all()
        assert best == LABELS[scores[number].argmax()]
