"""What a real training with `WandbCallback` has logged."""

import inspect
import json
import time
from pathlib import Path

import keras
import numpy as np
import pytest
import wandb

from wk_checkpoint import restore
from wk_legacy import WandbCallback
from wk_metrics import WandbMetricsLogger
from wk_testing.classifier import classes, classifier, images
from wk_testing.old_scripts import NAMES, old_script
from wk_testing.tables import logged_tables
from wk_testing.training import counting_model, executions
from wk_testing.training import fit as fit_counted

OLD_SIGNATURE = {
    "monitor": "val_loss",
    "verbose": 0,
    "mode": "auto",
    "save_weights_only": False,
    "log_weights": False,
    "log_gradients": False,
    "save_model": True,
    "training_data": None,
    "validation_data": None,
    "labels": None,
    "predictions": 36,
    "generator": None,
    "input_type": None,
    "output_type": None,
    "log_evaluation": False,
    "validation_steps": None,
    "class_colors": None,
    "log_batch_frequency": None,
    "log_best_prefix": "best_",
    "save_graph": True,
    "validation_indexes": None,
    "validation_row_processor": None,
    "prediction_row_processor": None,
    "infer_missing_processors": True,
    "log_evaluation_frequency": 0,
    "compute_flops": False,
}


@pytest.mark.backend_free
def test_arguments_are_the_old_ones_in_their_old_order():
    parameters = inspect.signature(WandbCallback).parameters.values()
    positional = {
        each.name: each.default for each in parameters if each.kind is each.POSITIONAL_OR_KEYWORD
    }
    assert list(positional.items()) == list(OLD_SIGNATURE.items())


def labelled(count=6):
    return images(count), classes(count)


def fit(*callbacks, model=None, epochs=2, **arguments):
    model = model or classifier()
    model.fit(*labelled(), epochs=epochs, verbose=0, callbacks=list(callbacks), **arguments)
    return model


class Say(keras.callbacks.Callback):
    """Has Keras report values of a metric, one an epoch, to the callbacks behind it."""

    def __init__(self, metric, values):
        super().__init__()
        self._metric = metric
        self._values = values

    def on_epoch_end(self, epoch, logs=None):
        logs[self._metric] = self._values[epoch]


def fit_saying(metric, values, callback):
    fit(Say(metric, values), callback, epochs=len(values))


def models(written):
    return [each for each in written.artifacts if each.name.startswith("model-")]


def in_files(run, facts):
    return Path(run.settings.files_dir, facts["path"])


def test_without_arguments(offline_run, read_back):
    run = offline_run()
    model = classifier()
    history = model.fit(
        *labelled(), validation_data=labelled(5), epochs=3, verbose=0, callbacks=[WandbCallback()]
    ).history
    files = Path(run.dir)

    written = read_back(run)
    assert written.column("epoch") == [0, 1, 2]
    for name in ("loss", "val_loss"):
        assert written.column(name) == pytest.approx(history[name])
    assert len(written.history) == 3
    best = int(np.argmin(history["val_loss"]))
    assert written.summary["best_epoch"] == best
    assert written.summary["best_val_loss"] == pytest.approx(history["val_loss"][best])
    versions = models(written)
    assert {each.name for each in versions} == {f"model-{run.id}"}
    assert {each.type for each in versions} == {"model"}
    assert set(versions[-1].aliases) == {"latest", "best", f"epoch_{best}"}
    saved = keras.saving.load_model(files / "model-best.keras")
    assert saved.evaluate(*labelled(5), verbose=0) == pytest.approx(history["val_loss"][best])
    graph = json.loads(in_files(run, written.summary["graph"]).read_text())
    assert [node["class_name"] for node in graph["nodes"]] == [
        *("InputLayer", "Rescaling", "Flatten", "Dense")
    ]
    assert graph["edges"] == [
        [before["id"], after["id"]]
        for before, after in zip(graph["nodes"], graph["nodes"][1:], strict=False)
    ]


@pytest.mark.parametrize(
    ("monitor", "mode", "values", "best"),
    [
        ("val_loss", "auto", [2.0, 0.0, 0.0, 1.0], 1),
        ("val_loss", "auto", [float("nan"), 3.0, float("nan"), -1.0], 3),
        ("val_loss", "max", [1.0, 3.0, 2.0], 1),
        ("val_head_accuracy", "auto", [0.1, 0.3, 0.2], 1),
        ("val_auc_1", "auto", [0.0, 0.3, 0.2], 1),
        ("outside", "min", [3.0, 1.0, 2.0], 1),
    ],
)
def test_best_epoch(offline_run, read_back, monitor, mode, values, best):
    run = offline_run()
    fit_saying(monitor, values, WandbCallback(monitor, mode=mode, save_model=False))
    written = read_back(run)
    assert written.summary["best_epoch"] == best
    assert written.summary[f"best_{monitor}"] == values[best]
    assert written.artifacts == []


def test_metrics_own_direction(offline_run, read_back):
    run = offline_run()
    model = classifier(1, "sigmoid")
    model.compile("sgd", "binary_crossentropy", metrics=[keras.metrics.AUC(name="mine")])
    callback = WandbCallback("mine", save_model=False, log_best_prefix="top_")
    x, y = images(), classes() > 0
    model.fit(x, y, epochs=1, verbose=0, callbacks=[callback])
    assert callback.get_training_state()["best"] is not None
    model.fit(x, y, epochs=1, verbose=0, callbacks=[Say("mine", [2.0]), callback])
    assert read_back(run).summary["top_mine"] == 2.0


def test_unknown_direction(offline_run):
    offline_run()
    with pytest.raises(ValueError, match=r"`mode='min'` or `mode='max'`.*monitor='outside'"):
        fit_saying("outside", [1.0], WandbCallback("outside"))


def test_missing_metric_is_said_once_and_nothing_is_saved(offline_run, read_back):
    run = offline_run()
    with pytest.warns(UserWarning, match=r"'val_loss' is missing.*there: 'loss'") as said:
        fit(WandbCallback())
    assert len([each for each in said if "monitored" in str(each.message)]) == 1
    written = read_back(run)
    assert written.column("epoch") == [0, 1]
    assert "best_epoch" not in written.summary
    assert written.artifacts == []


def test_best_value_goes_on(offline_run, read_back):
    run = offline_run()
    fit_saying("val_loss", [1.0], WandbCallback())
    fit_saying("val_loss", [2.0, 0.5, 0.7], WandbCallback())
    written = read_back(run)
    assert written.summary["best_val_loss"] == 0.5
    aliases = [set(each.aliases) - {"latest", "best"} for each in models(written)]
    assert aliases == [{"epoch_0"}, {"epoch_1"}]


def test_no_prefix_no_entries(offline_run, read_back):
    run = offline_run()
    fit_saying("val_loss", [1.0], WandbCallback(log_best_prefix=None, save_model=False))
    assert not [key for key in read_back(run).summary if "best" in key]


def test_weights_alone_and_going_on(offline_run, read_back):
    run = offline_run(name="a name: with/odd characters")
    trained = fit(WandbCallback("loss", save_weights_only=True), epochs=2)
    assert (Path(run.dir) / "model-best.weights.h5").exists()

    again, callback = classifier(), WandbCallback("loss", save_weights_only=True)
    state = restore(again, "model-a-name-with-odd-characters:latest", callbacks=[callback])
    assert state.initial_epoch == 2
    assert callback.get_training_state()["best"] == state.metrics["loss"]
    for one, other in zip(again.get_weights(), trained.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    (version, *_) = models(read_back(run))
    assert [each.path for each in version.manifest.contents] == ["model-best.weights.h5"]


@pytest.mark.parametrize("steps_per_execution", executions(3, 4))
def test_batches(offline_run, read_back, steps_per_execution):
    run = offline_run()
    model = counting_model(steps_per_execution=steps_per_execution)
    fit_counted(model, callbacks=[WandbCallback("loss", log_batch_frequency=6)])
    written = read_back(run)
    seen = [row["seen"] for row in written.history if "epoch" not in row]
    # Keras takes as many batches as its executions need: more than ten an epoch.
    ends = {1: [0, 6, 10, 16], 3: [2, 8, 14, 20], 4: [3, 7, 15, 19]}
    assert seen == ends[steps_per_execution]
    assert written.column("epoch") == [0, 1]


def test_run_that_is_finished_while_batches_end(offline_run, read_back):
    class Slow(keras.callbacks.Callback):
        """Keeps the ends of batches in Keras' pool of threads while the training goes on."""

        async_safe = True

        def on_train_batch_end(self, batch, logs=None):  # noqa: ARG002
            time.sleep(0.1)

    class Finish(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):  # noqa: ARG002
            if batch == 3:
                run.finish()

    run = offline_run()
    callback = WandbCallback("loss", save_model=False, log_batch_frequency=1)
    callbacks = [Slow(), WandbMetricsLogger("batch"), callback, Finish()]
    fit_counted(model := counting_model(), callbacks=callbacks, epochs=2)

    assert int(model.optimizer.iterations) == 20
    assert read_back(run).column("batch/batch_step") == [0, 1, 2]


def test_no_batch_hook_without_a_frequency(offline_run):
    offline_run()
    default = keras.callbacks.Callback.on_train_batch_end
    assert WandbCallback().on_train_batch_end.__func__ is default
    assert WandbCallback(log_batch_frequency=1).on_train_batch_end.__func__ is not default


def two_by_two():
    first, second = keras.Input((4,), name="first"), keras.Input((3,), name="second")
    inside = keras.Input((2,), name="inside")
    encoder = keras.Model(inside, keras.layers.Dense(2, name="deep")(inside), name="encoder")
    shared = keras.layers.Dense(2, name="shared")
    joined = keras.layers.Concatenate(name="joined")(
        [encoder(shared(first)), encoder(keras.layers.Dense(2, name="side")(second))]
    )
    outputs = [keras.layers.Dense(1, name=name)(joined) for name in ("one", "other")]
    model = keras.Model([first, second], outputs)
    model.compile("sgd", ["mse", "mse"])
    return model


def test_graph_of_several_inputs_outputs_and_models(offline_run, read_back):
    run = offline_run()
    x, y = [np.ones((4, 4)), np.ones((4, 3))], [np.ones((4, 1))] * 2
    two_by_two().fit(x, y, verbose=0, callbacks=[WandbCallback("loss", save_model=False)])
    graph = json.loads(in_files(run, read_back(run).summary["graph"]).read_text())
    assert sorted(map(tuple, graph["edges"])) == [
        ("encoder/deep", "joined"),
        ("encoder/inside", "encoder/deep"),
        ("first", "shared"),
        ("joined", "one"),
        ("joined", "other"),
        ("second", "side"),
        ("shared", "encoder/inside"),
        ("side", "encoder/inside"),
    ]
    sizes = {node["id"]: node["num_parameters"] for node in graph["nodes"]}
    assert (sizes["encoder/deep"], sizes["joined"], sizes["shared"]) == (6, 0, 10)


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__(name="mine")
        self.head = keras.layers.Dense(1, name="head")

    def call(self, inputs):
        return self.head(inputs)


def test_layers_of_a_subclassed_model(offline_run, read_back, monkeypatch):
    run, said = offline_run(), []
    monkeypatch.setattr(wandb, "termlog", said.append)
    model = Subclassed()
    model.compile("sgd", "mse")
    callback = WandbCallback("loss", compute_flops=True)
    model.fit(np.ones((4, 3)), np.ones((4, 1)), epochs=2, verbose=0, callbacks=[callback])
    written = read_back(run)
    assert "graph" not in written.summary
    assert "GFLOPs" not in written.summary
    table = json.loads(in_files(run, written.summary["model/layers"]).read_text())
    assert [row[:2] for row in table["data"]] == [["head", "Dense"]]
    assert ["no graph of 'mine'" in said[0], "cannot be counted" in said[1]] == [True, True]
    assert len(models(written)) == 2


def test_flops(offline_run, read_back):
    run = offline_run()
    fit(WandbCallback("loss", compute_flops=True, save_graph=False, save_model=False))
    written = read_back(run)
    products = 2 * 20 * 3
    assert 0.99 * products < written.summary["GFLOPs"] * 1e9 < 2 * products
    assert "graph" not in written.summary


def test_all_that_can_be_asked_for(offline_run, read_back):
    run = offline_run()
    callback = WandbCallback(
        "val_accuracy",
        log_weights=True,
        log_gradients=True,
        training_data=labelled(),
        validation_data=labelled(),
        labels=np.array(["cat", "dog", "cow"]),
        predictions=2,
        input_type="image",
        log_evaluation=True,
        log_evaluation_frequency=2,
        output_row_processor=lambda number, row: {"doubled": 2 * number, "n": row["output"].size},
        run=run,
    )
    model = classifier()
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    fit(callback, model=model, epochs=3, validation_data=labelled())
    written = read_back(run)
    rows = written.rows("epoch")
    for row in rows:
        assert row["examples/count"] == 2
        assert set(row["examples/captions"]) <= {"cat", "dog", "cow"}
        (weights,) = [key for key in row if key.endswith(".weights/bins")]
        assert weights.startswith("parameters/dense")
        assert [key for key in row if key.startswith("gradients/") and "kernel" in key]
    assert ["validation_predictions/nrows" in row for row in rows] == [True, False, True]
    (data,) = logged_tables(written, "wb_validation_data")
    assert data.artifact.type == "validation_dataset"
    assert data.columns[:2] == ["target", "input"]
    predicted = logged_tables(written, f"run-{run.id}-validation_predictions")[-1]
    assert predicted.columns == ["output", "val_row", "doubled", "n"]
    assert predicted.column("doubled") == [0, 2, 4, 6, 8, 10]


def test_validation_data_of_fit(offline_run, read_back):
    run = offline_run()
    callback = WandbCallback(input_type="image", log_evaluation=True, save_model=False)
    fit(callback, validation_split=0.5)
    written = read_back(run)
    assert written.column("examples/count") == [3, 3]
    assert written.column("validation_predictions/nrows") == [3]


@pytest.mark.filterwarnings("ignore:Do not pass an `input_shape`", "ignore:`shuffle=True` was")
@pytest.mark.parametrize("name", NAMES)
def test_old_scripts(name, read_back):
    exec(old_script(name, keras_line="import keras"), {})
    written = read_back(wandb.run)
    expected = {
        "classification": {"examples/count": [36, 36]},
        "segmentation": {"examples/count": [12, 12]},
        "generator": {"examples/count": [4, 4], "epoch": [0, 1]},
        "table": {"validation_predictions/ncols": [3, 3]},
    }[name]
    for key, values in expected.items():
        assert written.column(key) == values


@pytest.mark.backend_free
@pytest.mark.parametrize(
    ("arguments", "telling"),
    [
        ({"monitor": ""}, "`monitor` must be a metric's name. Received: monitor=''"),
        ({"mode": "best"}, r"`mode` must be 'auto', 'min' or 'max'. Received: mode='best'"),
        ({"log_weights": "all"}, "`log_weights` must be True or False"),
        ({"labels": "cat"}, "`labels` must be the names of classes, in a list or by number"),
        ({"predictions": 0}, "`predictions` must be a whole number of examples, 1 or more"),
        (
            {"log_batch_frequency": -1},
            "`log_batch_frequency` must be a whole number of batches, 0 or more, or",
        ),
        ({"verbose": -1}, "`verbose` must be 0, or 1 or more"),
        (
            {"log_evaluation_frequency": -1},
            "`log_evaluation_frequency` must be a whole number of epochs, 0",
        ),
        ({"validation_steps": 2.0}, "`validation_steps` must be a whole number of batches"),
        ({"log_best_prefix": 3}, "`log_best_prefix` must be a text, or None"),
        ({"input_type": "picture"}, r"`input_type` must be 'image', 'images', 'segm"),
        ({"class_colors": [[255, 0, 0]]}, "`class_colors` must have a triple"),
        ({"validation_row_processor": "f"}, "`validation_row_processor` must be a function"),
        ({"log_gradients": True}, r"pass `training_data=\(x, y\)`.*`WandbGradientLogger"),
        (
            {"prediction_row_processor": len, "output_row_processor": max},
            "two names of one argument",
        ),
    ],
)
def test_wrong_arguments(arguments, telling):
    with pytest.raises(ValueError, match=telling):
        WandbCallback(**arguments)


@pytest.mark.backend_free
@pytest.mark.parametrize(
    ("arguments", "telling"),
    [
        (
            {"log_gradient": True},
            "`log_gradient` is not an.*Did you mean `log_gradients`?",
        ),
        ({"zzz": 1}, "Its arguments are: monitor, .*compute_flops, .*run"),
    ],
)
def test_unknown_arguments(arguments, telling):
    with pytest.raises(TypeError, match=telling):
        WandbCallback(**arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        {"data_type": "image"},
        {"data_type": None, "input_type": "image"},
        {"input_type": "image", "labels": range(3)},
        {"input_type": "image", "labels": np.array(["a", "b", "c"])},
        {"input_type": "image", "verbose": 2, "log_batch_frequency": 0},
        {"input_type": "image", "save_graph": np.bool_(True), "predictions": np.int64(3)},
    ],
)
def test_arguments_as_old_scripts_pass_them(offline_run, read_back, monkeypatch, arguments):
    run, said = offline_run(), []
    monkeypatch.setattr(wandb, "termwarn", said.append)
    callback = WandbCallback("loss", validation_data=labelled(), save_model=False, **arguments)
    fit(callback, epochs=1)
    meant = "WandbCallback takes `data_type='image'` as `input_type='image'`."
    assert said == ([meant] if arguments.get("data_type") else [])
    written = read_back(run)
    assert len(written.history) == 1
    (captions,) = written.column("examples/captions")
    names = {str(each) for each in arguments.get("labels", range(3))}
    assert len(captions) == min(6, arguments.get("predictions", 36))
    assert names >= set(captions)


@pytest.mark.backend_free
def test_needs_a_run():
    with pytest.raises(wandb.Error, match="WandbCallback needs a W&B run"):
        WandbCallback()


def test_nothing_to_look_at(offline_run, read_back):
    run = offline_run()
    with pytest.raises(ValueError, match="`validation_data` to `fit`"):
        fit(WandbCallback(input_type="image"))
    assert read_back(run).history == []


def test_a_generator_of_fit_is_not_drawn_from(offline_run):
    offline_run()
    with pytest.raises(ValueError, match="pass another one as `generator`"):
        fit(WandbCallback(input_type="image"), validation_data=iter([labelled()]))


def test_errors_in_the_background_come_back(offline_run, read_back):
    run = offline_run()

    def fail(number, row):
        if number == 3 and "output" in row:
            raise OSError("disk full")
        return {"n": 1}

    callback = WandbCallback(
        "loss", validation_data=labelled(), log_evaluation=True, output_row_processor=fail
    )
    with pytest.raises(OSError, match="disk full"):
        fit(callback)
    assert read_back(run).column("epoch") == [0, 1]


def test_disabled_run(offline_run, tmp_path):
    offline_run(mode="disabled")
    before = set(tmp_path.rglob("*"))
    fit(WandbCallback(log_weights=True, log_batch_frequency=1, input_type="image"))
    assert set(tmp_path.rglob("*")) == before
