"""What the callback saves, when, and what it calls it, read back from disk and the run's file."""

import json
import math
import warnings
from pathlib import Path

import pytest
import wandb

from wk_checkpoint import WandbModelCheckpoint, restore
from wk_core.compat.keras.flavour import keras
from wk_testing.resuming import BATCHES, Shuffled, Witness, random_model, same, values
from wk_testing.training import executions


class Say(keras.callbacks.Callback):
    """Puts values of a metric of its own into the logs, epoch by epoch."""

    def __init__(self, name, numbers):
        super().__init__()
        self.name, self.numbers = name, numbers

    def on_epoch_end(self, epoch, logs=None):
        logs[self.name] = self.numbers[epoch]


@pytest.fixture(autouse=True)
def inside(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def fit(*callbacks, epochs=3, model=None, **arguments):
    model = model or random_model()
    arguments = {"verbose": 0, "shuffle": False, **arguments}
    model.fit(Shuffled(), epochs=epochs, callbacks=list(callbacks), **arguments)
    return model


def versions(file):
    """Returns aliases and metadata of what a run's file logs, in order."""
    return [(set(one.aliases), json.loads(one.metadata)) for one in file.artifacts]


@pytest.mark.backend_free
def test_is_a_keras_callback(offline_run):
    offline_run()
    checkpoint = WandbModelCheckpoint("model.keras", "loss", 0, True, False, "min", "epoch")
    assert isinstance(checkpoint, keras.callbacks.ModelCheckpoint)
    assert (checkpoint.filepath, checkpoint.monitor) == ("model.keras", "loss")
    assert checkpoint.save_best_only
    assert checkpoint.best is None


def test_every_epoch_is_a_version(offline_run, read_back, inside):
    run = offline_run(id="abc")
    witness = Witness()
    checkpoint = WandbModelCheckpoint("{epoch:02d}-{loss:.3f}.keras", "loss")
    fit(checkpoint, witness)
    file = read_back(run)

    assert [(one.name, one.type) for one in file.artifacts] == [("run_abc_model", "model")] * 3
    for epoch, ((aliases, metadata), artifact) in enumerate(
        zip(versions(file), file.artifacts, strict=True)
    ):
        assert {"latest", f"epoch_{epoch}"} <= aliases
        loss = metadata["metrics"]["loss"]
        (entry,) = artifact.manifest.contents
        assert entry.path == f"{epoch + 1:02d}-{loss:.3f}.keras"
        saved = random_model(seed=0)
        restore(saved, inside / entry.path)
        assert same(values(saved), witness.seen[epoch])


def test_metadata(offline_run, read_back):
    run = offline_run()
    fit(WandbModelCheckpoint("model.keras", "loss"), epochs=1)
    ((_, metadata),) = versions(read_back(run))
    loss = metadata["metrics"]["loss"]
    assert metadata.pop("saved_at") > 1e9
    assert metadata == {
        "saved_by": "wk-checkpoint",
        "run": run.id,
        "callback": None,
        "epoch": 0,
        "batch": None,
        "global_step": BATCHES,
        "metrics": {"loss": loss, "mae": metadata["metrics"]["mae"]},
        "monitor": "loss",
        "monitored_value": loss,
        "score": -loss,
        "mode": "min",
        "is_best": True,
        "is_finite": True,
        "format": "keras",
        "whole_model": True,
        "backend": keras.backend.backend(),
        "keras_version": keras.__version__,
    }


@pytest.mark.backend_free
def test_best_only_with_a_placeholder(offline_run, read_back, inside):
    run = offline_run()
    say = Say("val_loss", [3.0, 4.0, 2.0, 2.0])
    fit(say, WandbModelCheckpoint("{epoch}.keras", save_best_only=True), epochs=4)

    assert [aliases for aliases, _ in versions(read_back(run))] == [
        {"latest", "best", "epoch_0"},
        {"latest", "best", "epoch_2"},
    ]
    assert sorted(path.name for path in inside.glob("*.keras")) == ["1.keras", "3.keras"]


@pytest.mark.backend_free
@pytest.mark.parametrize(
    ("mode", "monitor", "numbers", "best"),
    [
        ("min", "m", [3.0, math.nan, 2.0, 9.0], [0, 2]),
        ("max", "m", [math.nan, 1.0, 0.5, math.inf], [1, 3]),
        ("auto", "val_loss", [3.0, 4.0, 2.0, 2.0], [0, 2]),
        ("auto", "val_mae", [3.0, 4.0, 2.0, 2.0], [0, 2]),
    ],
)
def test_best_moves_only_to_a_better_one(offline_run, read_back, mode, monitor, numbers, best):
    run = offline_run()
    checkpoint = WandbModelCheckpoint("model.keras", monitor, mode=mode)
    fit(Say(monitor, numbers), checkpoint, epochs=4)
    logged = versions(read_back(run))
    assert [n for n, (aliases, _) in enumerate(logged) if "best" in aliases] == best
    assert checkpoint.best == numbers[best[-1]]
    assert json.loads(json.dumps(logged[1][1], allow_nan=False))  # no NaN in the metadata


@pytest.mark.backend_free
def test_threshold(offline_run, read_back):
    run = offline_run()
    checkpoint = WandbModelCheckpoint(
        "model.keras", save_best_only=True, initial_value_threshold=2.5
    )
    fit(Say("val_loss", [3.0, 2.0, 2.7]), checkpoint)
    assert [aliases for aliases, _ in versions(read_back(run))] == [{"latest", "best", "epoch_1"}]


def test_every_few_batches_with_best_only(offline_run, read_back, inside):
    run = offline_run()
    witness = Witness(batches=True)
    checkpoint = WandbModelCheckpoint(
        "{epoch}-{batch}.weights.h5", "loss", save_best_only=True, save_weights_only=True,
        save_freq=3,
    )  # fmt: skip
    fit(checkpoint, witness)
    names = {f"epoch_{n // BATCHES}_batch_{n % BATCHES}": n for n in range(2, 3 * BATCHES, 3)}
    logged = versions(read_back(run))
    assert "epoch_0_batch_2" in logged[0][0]
    for aliases, metadata in logged:
        (alias,) = aliases - {"latest", "best"}
        assert "best" in aliases
        assert metadata["global_step"] == names[alias] + 1
        saved = random_model(seed=0)
        restore(saved, inside / f"{metadata['epoch'] + 1}-{metadata['batch'] + 1}.weights.h5")
        assert same(values(saved), witness.seen[metadata["epoch"], metadata["batch"]])


@pytest.mark.parametrize("steps_per_execution", executions(3, 4, 16))
def test_batches_with_several_in_one_execution(offline_run, read_back, steps_per_execution):
    run = offline_run()
    model = random_model()
    model.compile(optimizer="adam", loss="mse", steps_per_execution=steps_per_execution)
    fit(WandbModelCheckpoint("model.keras", save_freq=4), model=model, epochs=2)
    logged = [(*sorted(a - {"latest"}), m["global_step"]) for a, m in versions(read_back(run))]
    ends = {
        1: [(0, 3), (0, 7), (1, 3), (1, 7)],
        3: [(0, 5), (1, 2), (1, 7)],  # they end after the batches 2, 5 and 7, the last one
        4: [(0, 3), (0, 7), (1, 3), (1, 7)],
        16: [(0, 7), (1, 7)],
    }[steps_per_execution]
    assert logged == [
        (f"epoch_{epoch}_batch_{batch}", epoch * BATCHES + batch + 1) for epoch, batch in ends
    ]


@pytest.mark.backend_free
def test_missing_metric_warns_once_and_names_those_there(offline_run, read_back):
    run = offline_run()
    with pytest.warns(UserWarning, match="save_best_only=True") as warned:
        fit(WandbModelCheckpoint("model.keras", save_best_only=True))
    (message,) = [str(one.message) for one in warned if one.category is UserWarning]
    assert "'val_loss' is missing" in message
    assert "'loss', 'mae'" in message
    assert [aliases for aliases, _ in versions(read_back(run))] == [
        {"latest", f"epoch_{epoch}"} for epoch in range(3)
    ]


@pytest.mark.backend_free
def test_missing_metric_says_nothing_where_it_decides_nothing(offline_run):
    offline_run()
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        fit(WandbModelCheckpoint("model.keras"), epochs=1)


@pytest.mark.backend_free
def test_direction_that_nothing_tells(offline_run):
    offline_run()
    say = Say("cost", [1.0, 2.0])
    with pytest.raises(ValueError, match="mode='max'"):
        fit(say, WandbModelCheckpoint("model.keras", "cost", save_best_only=True), epochs=1)
    fit(say, WandbModelCheckpoint("model.keras", "cost"), epochs=1)


@pytest.mark.backend_free
def test_verbose(offline_run, capsys):
    offline_run()
    say = Say("val_loss", [3.0, 4.0])
    fit(say, WandbModelCheckpoint("m{epoch}.keras", verbose=1, save_best_only=True), epochs=2)
    lines = capsys.readouterr().out.split("\n")
    assert "epoch_0: val_loss improved from nothing: 3.00000" in lines
    assert "epoch_0: saved m1.keras" in lines
    assert "epoch_1: val_loss did not improve from 3.00000: 4.00000" in lines
    fit(WandbModelCheckpoint("m.keras"), epochs=1)
    assert capsys.readouterr().out == ""


def test_two_callbacks_in_one_fit(offline_run, read_back):
    run = offline_run()
    whole = WandbModelCheckpoint("model.keras")
    weights = WandbModelCheckpoint(
        "w.weights.h5", save_weights_only=True, artifact="only_weights", save_freq=5
    )
    fit(whole, weights, epochs=1)
    names = [(one.name, set(one.aliases)) for one in read_back(run).artifacts]
    assert sorted(names) == [
        ("only_weights", {"latest", "epoch_0_batch_4"}),
        (f"run_{run.id}_model", {"latest", "epoch_0"}),
    ]


@pytest.mark.backend_free
def test_subclass(offline_run, inside):
    offline_run()

    class Counting(WandbModelCheckpoint):
        batches = 0

        def on_train_batch_end(self, batch, logs=None):
            super().on_train_batch_end(batch, logs)
            self.batches += 1

    counting = Counting("model.keras")
    fit(counting, epochs=1)
    assert counting.batches == BATCHES
    assert (inside / "model.keras").is_file()


@pytest.mark.backend_free
def test_subclass_that_knows_the_best(offline_run, read_back):
    run = offline_run()

    class Chosen(WandbModelCheckpoint):
        def on_epoch_end(self, epoch, logs=None):
            if epoch in (1, 2):
                self._save_as_best(epoch, logs, "min")

    chosen = Chosen("{epoch}.keras", "m", save_best_only=True)
    fit(Say("m", [1.0, 2.0, 3.0]), chosen)
    assert chosen.best == 3.0  # the last, whatever the metric says
    saved = [metadata for _, metadata in versions(read_back(run))]
    assert [metadata["epoch"] for metadata in saved] == [1, 2]
    assert [metadata["score"] for metadata in saved] == [-2.0, -3.0]
    # The alias stays with the best of all versions.
    assert [metadata["is_best"] for metadata in saved] == [True, False]


@pytest.mark.backend_free
def test_epochs_override_no_batch_hook(offline_run):
    offline_run()
    checkpoint = WandbModelCheckpoint("model.keras")
    for hook in ("on_train_batch_end", "on_test_batch_end"):
        default = getattr(keras.callbacks.Callback, hook)
        assert getattr(checkpoint, hook).__func__ is default


@pytest.mark.backend_free
def test_needs_a_run():
    with pytest.raises(wandb.Error, match=r"WandbModelCheckpoint needs a W&B run"):
        WandbModelCheckpoint("model.keras")


def test_disabled_run_still_saves(inside):
    with wandb.init(mode="disabled"):
        fit(WandbModelCheckpoint("model.keras"), epochs=1)
    assert keras.saving.load_model(inside / "model.keras").built


@pytest.mark.backend_free
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"filepath": ""}, "`filepath` must name"),
        ({"filepath": "m.keras", "save_weights_only": True}, r"'\*\.weights\.h5'"),
        ({"filepath": "m.h5", "save_weights_only": True}, r"'\*\.weights\.h5'"),
        ({"filepath": "m{batch}.keras"}, r"placeholder \{batch\}"),
        ({"mode": "best"}, "`mode` must be 'auto', 'min' or 'max'. Received: mode='best'"),
        (
            {"save_freq": 0},
            "`save_freq` must be a whole number of batches, 1 or more, or 'epoch'. R",
        ),
        ({"save_freq": 2.0}, "Received: save_freq=2.0"),
        ({"save_freq": True}, "Received: save_freq=True"),
        ({"save_freq": "batch"}, "Received: save_freq='batch'"),
        ({"when_busy": "drop"}, "`when_busy` must be 'wait' or 'skip'. R"),
        ({"options": object()}, "`options` are for TensorFlow's writers"),
        ({"artifact": "my model"}, "the artifact needs a name .* Received: 'my model'"),
    ],
)
def test_bad_arguments(offline_run, arguments, message):
    offline_run()
    with pytest.raises(ValueError, match=message):
        WandbModelCheckpoint(**{"filepath": "model.keras", **arguments})


@pytest.mark.backend_free
def test_run_id_that_artifacts_refuse(offline_run):
    offline_run(id="a b")
    with pytest.raises(ValueError, match="Received: 'run_a b_model'"):
        WandbModelCheckpoint("model.keras")
    assert WandbModelCheckpoint("model.keras", artifact="fine")


@pytest.mark.backend_free
def test_placeholder_that_no_metric_fills(offline_run):
    offline_run()
    with pytest.raises(KeyError, match=r"'acc'.*Known are: epoch, loss, mae"):
        fit(WandbModelCheckpoint("{acc}.keras"), epochs=1)


@pytest.mark.backend_free
def test_directory_with_other_things_is_refused_at_once(offline_run, inside):
    offline_run()
    (inside / "models").mkdir()
    (inside / "models" / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match=r"would be lost: notes\.txt"):
        WandbModelCheckpoint("models", save_weights_only=True)
    (inside / "m.keras").mkdir()
    with pytest.raises(FileExistsError, match="is a directory; the checkpoint is a file"):
        WandbModelCheckpoint("m.keras")


@pytest.mark.backend_free
def test_two_that_log_to_one_artifact_are_warned_of_once(offline_run):
    run = offline_run()
    first = WandbModelCheckpoint("first.keras")
    named = WandbModelCheckpoint("named.keras", artifact="named")
    fit(first, named, epochs=1)
    waiting = WandbModelCheckpoint("second.keras")  # the first has had its `fit`
    with pytest.warns(UserWarning, match=rf"run '{run.id}'.*same artifact.*`artifact=`") as said:
        others = [WandbModelCheckpoint(f"{number}.keras") for number in range(2)]
    assert [Path(one.filename).name for one in said] == [Path(__file__).name]
    fit(waiting, *others, epochs=1)
