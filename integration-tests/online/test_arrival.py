"""A training arrives whole, whether it reports to the server or is synced later."""

import json
from collections import defaultdict
from typing import Any

import pytest
import wandb

from wandb_loopback.reading import column, read, read_path, sync
from wk_metrics import WandbMetricsLogger
from wk_testing.client import history
from wk_testing.training import STEPS, counting_model, fit, numbered_batches
from wk_testing.versions import sync_skips_online_runs

# Two runs of one training do not share these, wherever they stand.
TIMES_AND_IDS = {
    "_latest_artifact_path",
    "_runtime",
    "_timestamp",
    "artifact_path",
    "createdAt",
    "heartbeatAt",
    "id",
    "runtime",
    "systemMetrics",
}
# What the client tells of itself: the machine, and which of its features were used.
TELEMETRY = {"e", "t"}
# In whatever order; `defined_metrics` has it, too.
UNORDERED = {"m"}
# wandb 0.25 leaves its own notes out of a run that it syncs, and names each metric of a pattern.
LOST_IN_SYNC = set() if sync_skips_online_runs() else {"_wandb", "metrics"}

AXES = {"batch": {"batch/batch_step"}, "epoch": {"epoch/epoch"}}


def defined_metrics(run: Any) -> list[dict[str, Any]]:
    """Returns what `define_metric` was told, as the server has it, in the order of the names."""
    entries = run.rawconfig["_wandb"]["m"]
    # Field 1 is a name, 2 a pattern; 5 is the x axis, as the 1-based place of its entry.
    named = [
        {**each, "5": entries[each["5"] - 1]["1"]} if "5" in each else each for each in entries
    ]
    return sorted(named, key=lambda each: each.get("1") or each["2"])


def axes(run: Any) -> dict[str, set[str]]:
    """Returns which keys, without what follows their first slash, have which x axes.

    Up to wandb 0.27, `wandb sync` sends the axis of each key instead of those of patterns.
    """
    axes = defaultdict(set)
    for each in defined_metrics(run):
        if "5" in each:
            axes[(each.get("1") or each["2"]).partition("/")[0]].add(each["5"])
    return dict(axes)


@pytest.mark.usefixtures("wandb_server")
def test_training_arrives_whole():
    with wandb.init(project="p", config={"note": "mine"}) as run:
        model = counting_model("adam")
        logger = WandbMetricsLogger("batch", throughput=True, log_model_info=True)
        model.fit(
            numbered_batches(),
            steps_per_epoch=STEPS,
            epochs=2,
            validation_data=numbered_batches(100),
            validation_steps=2,
            shuffle=False,
            verbose=0,
            callbacks=[logger],
        )
        model.evaluate(numbered_batches(7), steps=1, verbose=0, callbacks=[logger])

    seen = read(run)
    assert seen.state == "finished"
    assert column(seen, "_step") == list(range(2 * STEPS + 3))
    assert column(seen, "batch/batch_step") == list(range(2 * STEPS))
    assert column(seen, "batch/seen") == list(range(2 * STEPS))
    assert len(column(seen, "batch/loss")) == 2 * STEPS
    assert column(seen, "batch/learning_rate") == pytest.approx([1e-3] * 2 * STEPS)
    assert column(seen, "epoch/epoch") == [0, 1]
    assert column(seen, "epoch/seen") == [STEPS - 1, 2 * STEPS - 1]
    assert len(column(seen, "epoch/val_loss")) == 2
    assert len(column(seen, "epoch/steps_per_second")) == 2
    assert column(seen, "test/seen") == [7]
    assert axes(seen) == AXES

    assert seen.summary["batch/batch_step"] == 2 * STEPS - 1
    assert seen.summary["epoch/epoch"] == 1
    assert seen.summary["model/parameters"] == 3
    assert seen.config["note"] == "mine"
    assert seen.config["model_info"]["optimizer"]["class"] == "Adam"


def facts(run: Any) -> Any:
    """Returns all that the server tells of a run, but for times and ids."""
    everything = {
        **run._attrs,  # all the fields, where each property shows one of them
        "history": history(run),
        "metrics": defined_metrics(run),
        "files": sorted(file.name for file in run.files()),
        "artifacts": [
            # The client puts a random word behind the name.
            (each.name.partition("modellayers-")[:2], each.version, each.type, each.digest)
            for each in run.logged_artifacts()
        ],
    }
    return comparable(json.loads(json.dumps(everything).replace(run.id, "<id>")))


def comparable(value: Any) -> Any:
    if isinstance(value, dict):
        left_out = TIMES_AND_IDS | TELEMETRY | UNORDERED | LOST_IN_SYNC
        return {key: comparable(each) for key, each in value.items() if key not in left_out}
    return [comparable(each) for each in value] if isinstance(value, list) else value


@pytest.mark.backend_free
@pytest.mark.usefixtures("wandb_server")
def test_synced_offline_run_is_the_online_run():
    options = {"project": "p", "name": "n", "tags": ["t"], "config": {"lr": 0.1}}
    online = wandb.init(**options, mode="online", reinit="create_new")
    offline = wandb.init(**options, mode="offline", reinit="create_new")
    loggers = [
        WandbMetricsLogger("batch", run=run, log_model_info=True) for run in (online, offline)
    ]
    fit(counting_model(), callbacks=loggers)
    online.finish()
    offline.finish()
    sync(offline)

    # The id is all that an offline run knows of its address.
    arrived, synced = read(online), read_path(f"p/{offline.id}", online.settings.base_url)
    assert column(synced, "batch/batch_step") == list(range(2 * STEPS))
    assert axes(synced) == AXES
    assert facts(synced) == facts(arrived)
