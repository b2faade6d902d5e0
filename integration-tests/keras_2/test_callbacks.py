"""The callbacks on Keras 2, which `TF_USE_LEGACY_KERAS=1` chooses."""

import pytest

from wk_testing.scripts import run_script
from wk_testing.wandb_file import read_run

# One process trains all of them, so they stay in one worker.
pytestmark = [pytest.mark.backend_free, pytest.mark.xdist_group("legacy_keras")]

CASES = [
    (log_freq, rate, steps_per_execution)
    for log_freq in ("epoch", "batch")
    for rate in ("schedule", "assigned")
    for steps_per_execution in (1, 4)
]

TRAINING = """
import sys
import numpy as np
import tensorflow as tf
import wandb
from wk_metrics import WandbMetricsLogger

assert issubclass(WandbMetricsLogger, tf.keras.callbacks.Callback)

def train(log_freq, rate, steps_per_execution):
    schedule = tf.keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5, staircase=True)
    model = tf.keras.Sequential([tf.keras.Input((2,)), tf.keras.layers.Dense(1)])
    model.compile(
        tf.keras.optimizers.SGD(schedule if rate == "schedule" else 0.1),
        "mse",
        metrics=["mae"],
        steps_per_execution=steps_per_execution,
    )
    halve = tf.keras.callbacks.LearningRateScheduler(lambda epoch, _: 0.1 / 2**epoch)
    logger = WandbMetricsLogger(log_freq, throughput=True, log_model_info=True)
    callbacks = [logger] if rate == "schedule" else [logger, halve]
    x, y = np.zeros((40, 2)), np.zeros((40, 1))
    model.fit(x, y, batch_size=4, epochs=2, verbose=0, callbacks=callbacks)
    model.fit(x, y, batch_size=4, initial_epoch=2, epochs=3, verbose=0, callbacks=callbacks)
    model.evaluate(x, y, verbose=0, callbacks=[logger])

for number, case in enumerate(CASES):
    with wandb.init(project="test", dir=f"{sys.argv[1]}/{number}"):
        train(*case)
"""


@pytest.fixture(scope="module")
def trainings(tmp_path_factory):
    """Trains all cases in one process of Keras 2; returns the directory of their runs."""
    directory = tmp_path_factory.mktemp("legacy")
    for number in range(len(CASES)):
        (directory / str(number)).mkdir()
    process = run_script(f"CASES = {CASES!r}\n{TRAINING}", str(directory), TF_USE_LEGACY_KERAS="1")
    assert process.returncode == 0, process.stderr
    return directory


@pytest.mark.parametrize("number", range(len(CASES)), ids=lambda number: str(CASES[number]))
def test_training(trainings, number):
    log_freq, _, steps_per_execution = CASES[number]
    written = read_run(trainings / str(number))

    assert written.column("epoch/epoch") == [0, 1, 2]
    assert written.column("epoch/learning_rate") == pytest.approx([0.1, 0.05, 0.025])
    assert written.column("epoch/samples_per_second")[0] > 0
    assert written.config["model_info"]["metrics"] == ["mae"]
    assert written.config["model_info"]["parameters"]["total"] == 3
    assert len(written.column("test/mae")) == 1
    numbers = {1: [*range(30)], 4: [3, 7, 9, 13, 17, 19, 23, 27, 29]}[steps_per_execution]
    if log_freq == "epoch":
        numbers = []
    assert written.column("batch/batch_step") == numbers
    assert written.column("batch/learning_rate") == pytest.approx(
        [0.1 / 2 ** (number // 10) for number in numbers]
    )


CHECKPOINTS = """
import sys
import numpy as np
import tensorflow as tf
import wandb
from wk_checkpoint import WandbModelCheckpoint, restore

keras = tf.keras
assert issubclass(WandbModelCheckpoint, keras.callbacks.ModelCheckpoint)
x, y = np.random.rand(40, 2), np.random.rand(40, 1)

def compiled():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    return model

def values(model):
    return [variable.numpy() for variable in [*model.weights, *model.optimizer.variables]]

kinds = {"m.keras": False, "m.h5": False, "m.weights.h5": True, "models": False, "weights": True}
with wandb.init(project="test", dir=sys.argv[1]):
    for name, weights_only in kinds.items():
        path = f"{sys.argv[1]}/{name}"
        callbacks = [
            WandbModelCheckpoint(path, "loss", save_weights_only=weights_only),
            keras.callbacks.EarlyStopping("loss", patience=9),
        ]
        model = compiled()
        model.fit(x, y, batch_size=4, epochs=2, verbose=0, callbacks=callbacks)
        again = compiled()
        state = restore(again, path, callbacks=callbacks)
        assert (state.initial_epoch, state.global_step) == (2, 20), state
        assert all(map(np.array_equal, values(again), values(model))), name
        again.fit(x, y, initial_epoch=2, epochs=3, verbose=0, callbacks=callbacks)
        print(name)
    served = tf.saved_model.load(f"{sys.argv[1]}/models")
    assert "serving_default" in served.signatures
"""


def test_checkpoints(tmp_path):
    process = run_script(CHECKPOINTS, str(tmp_path), TF_USE_LEGACY_KERAS="1")
    assert process.returncode == 0, process.stderr
    assert process.stdout.split() == ["m.keras", "m.h5", "m.weights.h5", "models", "weights"]
    (directory,) = tmp_path.glob("wandb/offline-run-*")
    aliases = [set(artifact.aliases) for artifact in read_run(directory).artifacts]
    assert len(aliases) == 15
    assert {"latest", "best", "epoch_0"} in aliases


NOT_SAVED = """
import sys
import numpy as np
import tensorflow as tf
import wandb
from wk_checkpoint import UnserializableModelError, WandbModelCheckpoint, restore

keras = tf.keras
x, y = np.random.rand(8, 2), np.random.rand(8, 1)

class Opaque(keras.layers.Layer):
    def __init__(self, argument):
        super().__init__()

    def call(self, inputs):
        return inputs

class Subclassed(keras.Model):
    def __init__(self, layer, argument):
        super().__init__()
        self.layer = layer

    def call(self, inputs):
        return self.layer(inputs)

def fit(model, path, monitor):
    batches = keras.callbacks.LambdaCallback(on_train_batch_end=lambda *_: print("batch"))
    model.compile("sgd", "mse")
    model.fit(x, y, verbose=0, callbacks=[WandbModelCheckpoint(path, monitor), batches])

with wandb.init(project="test", dir=sys.argv[1]):
    for name in ("m.keras", "m.h5"):
        path = f"{sys.argv[1]}/{name}"
        try:
            fit(keras.Sequential([Opaque(object()), keras.layers.Dense(1)]), path, "loss")
        except UnserializableModelError:
            print("refused")
    path = f"{sys.argv[1]}/saved.keras"
    fit(Subclassed(keras.layers.Dense(1), object()), path, "loss")
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    fit(model, path, "val_loss")
    print(restore(model, path).best)  # there was no such metric
"""


def test_models_that_cannot_be_saved_are_refused_before_training(tmp_path):
    process = run_script(NOT_SAVED, str(tmp_path), TF_USE_LEGACY_KERAS="1")
    assert process.returncode == 0, process.stderr
    assert process.stdout.split() == ["refused", "refused", "batch", "batch", "None"]


OLDER_OPTIMIZERS = """
import sys
import numpy as np
import tensorflow as tf
import wandb
from wk_metrics import WandbMetricsLogger

old, new = tf.keras.optimizers.legacy, tf.keras.optimizers
scaled = tf.keras.mixed_precision.LossScaleOptimizer
schedule = new.schedules.ExponentialDecay(0.1, 1, 0.5)

class Own(new.schedules.LearningRateSchedule):
    def __init__(self):
        self.factor = tf.Variable(1.0, trainable=False)

    def __call__(self, step):
        return 0.1 * self.factor / (1.0 + tf.cast(step, tf.float32))

own = Own()
lower = tf.keras.callbacks.LambdaCallback(
    on_epoch_end=lambda epoch, logs: own.factor.assign(own.factor * 0.5)
)
by_epoch = tf.keras.callbacks.LearningRateScheduler(lambda epoch, _: 0.1 / 2**epoch)
x, y = np.zeros((8, 2)), np.zeros((8, 1))

for number, (optimizer, others) in enumerate(
    [
        (old.SGD(schedule), []),
        (old.SGD(0.1), [by_epoch]),
        (old.SGD(0.1, decay=0.5), []),
        (old.Adam(own), [lower]),
        (new.Adam(own), [lower]),
        (old.SGD(lambda: 0.25), []),
        (scaled(old.SGD(schedule)), []),
        (scaled(new.SGD(schedule)), []),
    ]
):
    own.factor.assign(1.0)
    with wandb.init(project="test", dir=f"{sys.argv[1]}/{number}"):
        model = tf.keras.Sequential([tf.keras.layers.InputLayer((2,)), tf.keras.layers.Dense(1)])
        model.compile(optimizer, "mse")
        logger = WandbMetricsLogger("batch")
        model.fit(x, y, batch_size=4, epochs=2, verbose=0, callbacks=[*others, logger])
"""


def test_learning_rates_of_the_older_optimizers(tmp_path):
    expected = [
        [0.1, 0.05, 0.025, 0.0125],
        [0.1, 0.1, 0.05, 0.05],
        [0.1, 0.1 / 1.5, 0.1 / 2, 0.1 / 2.5],
        [0.1, 0.05, 0.05 / 3, 0.05 / 4],
        [0.1, 0.05, 0.05 / 3, 0.05 / 4],
        [0.25] * 4,
        [0.1, 0.05, 0.025, 0.0125],
        [0.1, 0.05, 0.025, 0.0125],
    ]
    for number in range(len(expected)):
        (tmp_path / str(number)).mkdir()
    process = run_script(OLDER_OPTIMIZERS, str(tmp_path), TF_USE_LEGACY_KERAS="1")
    assert process.returncode == 0, process.stderr
    for number, rates in enumerate(expected):
        written = read_run(tmp_path / str(number))
        assert written.column("batch/learning_rate") == pytest.approx(rates), number
        assert written.column("epoch/learning_rate") == pytest.approx(rates[1::2]), number


RESUMED = """
import sys
import numpy as np
import tensorflow as tf
import wandb
from wk_checkpoint import WandbModelCheckpoint, restore

keras = tf.keras
x = np.random.default_rng(0).random((40, 4, 2)).astype("float32")
y = x.sum((1, 2))[:, None]

class Data(keras.utils.Sequence):
    def __len__(self):
        return 10

    def __getitem__(self, index):
        return x[4 * index : 4 * index + 4], y[4 * index : 4 * index + 4]

class Interrupt(keras.callbacks.Callback):
    trained = 0

    def on_train_batch_end(self, batch, logs=None):
        self.trained += 1
        if self.trained == 14:
            raise KeyboardInterrupt

def compiled(seed):
    keras.utils.set_random_seed(seed)
    dropping = keras.layers.LSTM(6, dropout=0.3, recurrent_dropout=0.2)
    layers = [keras.Input((4, 2)), dropping, keras.layers.Dropout(0.5), keras.layers.Dense(1)]
    model = keras.Sequential(layers)
    model.compile("adam", "mse")
    return model

said = []
wandb.termwarn = lambda text, *_, **__: said.append(text)
with wandb.init(project="test", dir=sys.argv[1]):
    for keeps in (False, True):
        if keeps:
            keras.backend.experimental.enable_tf_random_generator()
            whole = compiled(7)
            whole.fit(Data(), epochs=3, verbose=0, shuffle=False)
        path = f"{sys.argv[1]}/{keeps}.weights.h5"
        saving = WandbModelCheckpoint(path, "loss", save_weights_only=True, save_freq=4)
        try:
            callbacks = [Interrupt(), saving]
            compiled(7).fit(Data(), epochs=3, verbose=0, shuffle=False, callbacks=callbacks)
        except KeyboardInterrupt:
            pass
        saving.on_train_end()
        again = compiled(8)
        state = restore(again, path)
        assert (state.initial_epoch, state.batch) == (1, 2), state
        state.fit(again, Data(), epochs=3, verbose=0, shuffle=False)
        if not keeps:
            assert [text for text in said if "enable_tf_random_generator" in text], said
            said.clear()
assert not said, said
assert all(map(np.array_equal, again.get_weights(), whole.get_weights()))
"""


def test_going_on_with_dropout_in_the_middle_of_an_epoch(tmp_path):
    process = run_script(RESUMED, str(tmp_path), TF_USE_LEGACY_KERAS="1")
    assert process.returncode == 0, process.stderr[-3000:]
