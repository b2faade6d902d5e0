"""No thread has Python parse source, which Python 3.11 cannot do in two threads at once.

It is for others: where TensorFlow calls Python in its own threads, tracebacks do it.
"""

import pytest

from wk_testing.scripts import run_script

SCRIPT = """
import ast
import threading

parse, parsing = ast.parse, set()

def seen_parse(*args, **kwargs):
    parsing.add(threading.current_thread().name)
    return parse(*args, **kwargs)

ast.parse = seen_parse

import wandb
from wk_checkpoint import Retention, WandbModelCheckpoint
from wk_eval import ClassificationEval
from wk_testing.classifier import classes, classifier, images

parsing.clear()
with wandb.init(project="p"):
    checkpoint = WandbModelCheckpoint("model.keras", monitor="loss", retention=Retention(last=1))
    evaluation = ClassificationEval((images(), classes()))
    classifier().fit(images(), classes(), epochs=3, verbose=0, callbacks=[checkpoint, evaluation])
print(parsing)
"""


@pytest.mark.backend_free
@pytest.mark.usefixtures("wandb_server")
def test_nothing_is_parsed_in_the_background(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    script = run_script(SCRIPT, new_interpreter=True)  # all that parses is imported there
    assert script.returncode == 0, script.stderr
    assert script.stdout.splitlines()[-1] == "set()"
