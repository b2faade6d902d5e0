"""Runs, processes and callbacks that share an artifact: each one's versions stay its own."""

from pathlib import Path
from typing import Any

import pytest
import wandb

from online.checkpoint.test_versions import Scores
from wandb_loopback import API_KEY
from wandb_loopback.reading import versions
from wk_checkpoint import Retention, WandbModelCheckpoint, restore
from wk_testing.resuming import Shuffled, random_model, same, values

pytestmark = [pytest.mark.backend_free, pytest.mark.usefixtures("wandb_server")]


def train(path: Path, scores: list[float], *checkpoints: Any, **arguments: Any) -> Any:
    """Trains an epoch for each score; returns the model."""
    if not checkpoints:
        checkpoints = (WandbModelCheckpoint(path, "score", mode="min", **arguments),)
    model = random_model()
    model.fit(
        Shuffled(), epochs=len(scores), shuffle=False, verbose=0,
        callbacks=[Scores(scores), *checkpoints],
    )  # fmt: skip
    return model


def shared(name: str) -> dict[str, set[str]]:
    """Returns what the versions of an artifact are called."""
    found = wandb.Api(api_key=API_KEY).artifacts("model", f"p/{name}")
    return {each.version: set(each.aliases) for each in reversed(list(found))}


def test_retention_leaves_what_another_run_or_callback_has_saved(tmp_path: Path):
    rule = Retention(best=1, last=1)
    with wandb.init(project="p"):
        train(tmp_path / "a-{epoch}.keras", [4.0, 3.0], artifact="house")
    with wandb.init(project="p"):
        one, other = (
            WandbModelCheckpoint(
                tmp_path / name / "{epoch}.keras", "score", mode="min", artifact="house",
                retention=rule,
            )
            for name in ("b", "c")
        )  # fmt: skip
        train(tmp_path, [2.0, 3.5, 3.2], one)
        train(tmp_path, [2.5], other)
    left = shared("house")
    assert {"v0", "v1"} <= left.keys()  # of the other run
    # Of the first callback its best and its last one; the only one of the second.
    assert len(left) == 5
    assert [aliases for aliases in left.values() if "best" in aliases] == [{"best", "epoch_0"}]


def test_best_of_a_shared_artifact_stays_with_the_better_run(tmp_path: Path):
    for number, scores in enumerate(([3.0, 1.0], [2.0, 1.5], [0.5])):
        with wandb.init(project="p"):
            train(tmp_path / f"{number}.keras", scores, artifact="house")
        best = [version for version, aliases in shared("house").items() if "best" in aliases]
        assert best == [["v1", "v1", "v4"][number]]


@pytest.mark.parametrize("mode", ["online", "offline"])
def test_best_of_a_run_that_goes_on_with_new_callbacks(tmp_path: Path, mode: Any):
    with wandb.init(project="p", id="again", mode=mode):
        best = train(tmp_path / "1.keras", [3.0, 1.0])
        train(tmp_path / "2.keras", [2.0])
    with wandb.init(project="p", id="again", mode=mode, resume="must") as run:
        train(tmp_path / "3.keras", [10.0])
        model = random_model(seed=8)
        assert restore(model, "best").metrics["score"] == 1.0
        assert len(values(model)) == len(values(best))
    if mode == "online":
        called = [set(version.aliases) & {"best"} for version in versions(run).values()]
        assert called == [set(), {"best"}, set(), set()]


def test_restore_right_after_a_fit(tmp_path: Path):
    with wandb.init(project="p"):
        for _ in range(8):
            model = train(tmp_path / "m.keras", [1.0])
            again = random_model(seed=8)
            restore(again, "latest")
            assert same(values(again), values(model))
