"""Evaluations on Keras 2, which `TF_USE_LEGACY_KERAS=1` chooses."""

import pytest

from wk_testing.scripts import run_script
from wk_testing.tables import logged_tables
from wk_testing.wandb_file import read_run

pytestmark = pytest.mark.backend_free

TRAINING = """
import sys
import tensorflow as tf
import wandb
from wk_eval import ClassificationEval, WandbEvalCallback
from wk_testing.classifier import classes, classifier, images

assert issubclass(WandbEvalCallback, tf.keras.callbacks.Callback)

class Look(WandbEvalCallback):
    def add_ground_truth(self):
        for number, image in enumerate(images()):
            self.data_table.add_data(number, wandb.Image(image / 255))

    def add_model_predictions(self, epoch):
        predictions = self.model.predict(images(), verbose=0).argmax(axis=-1)
        for number in self.data_table_ref.get_index():
            _, image = self.data_table_ref[number]
            self.pred_table.add_data(epoch, image, predictions[number])

class Batches(tf.keras.utils.Sequence):
    def __len__(self):
        return 1

    def __getitem__(self, number):
        return images(), classes()

with wandb.init(project="test", id="abc", dir=sys.argv[1]):
    look = Look(["id", "image"], ["epoch", "image", "pred"])
    evaluation = ClassificationEval(Batches(), name="batches")
    classifier().fit(images(), classes(), epochs=2, verbose=0, callbacks=[look, evaluation])
"""


def test_evaluations(tmp_path):
    process = run_script(TRAINING, str(tmp_path), TF_USE_LEGACY_KERAS="1")
    assert process.returncode == 0, process.stderr
    written = read_run(tmp_path)
    (data,) = logged_tables(written, "val")
    for epoch, table in enumerate(logged_tables(written, "run_abc_pred")):
        assert table.column("epoch") == [epoch] * 6
        assert set(table.references) == data.files - {data.path}
    assert written.column("batches/epoch") == [0, 1]
    tables = logged_tables(written, "run_abc_batches_pred")
    assert [len(table.rows) for table in tables] == [6, 6]
