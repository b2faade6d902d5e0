"""Every documented use writes what the file says, on every backend and with every version."""

import ast
import copy
import importlib
import inspect
from pathlib import Path

import pytest

from documented_uses.catalog import MODULES, USES
from documented_uses.comparing import FILE, differences, known_facts, written
from documented_uses.use import NotPossibleError
from wk_core.compat.keras.flavour import LEGACY

MEMBERS = ("wk_core", "wk_metrics", "wk_checkpoint", "wk_eval", "wk_legacy")
KNOWN = known_facts()
SOURCES = [ast.parse(Path(module.__file__).read_text()) for module in MODULES]
# Every argument of these is used; the ready-made evaluations share theirs.
IN_FULL = (
    ("wk_metrics", "WandbMetricsLogger"),
    ("wk_metrics", "WandbGradientLogger"),
    ("wk_checkpoint", "WandbModelCheckpoint"),
    ("wk_eval", "WandbEvalCallback"),
    ("wk_legacy", "WandbCallback"),
)


# Keras 2 thinks little of HDF5, and its checkpoints have the state of their own callback only.
OF_KERAS_2 = [
    "ignore:You are saving your model as an HDF5 file:UserWarning",
    "ignore:Checkpoint .* holds no state of:UserWarning",
]


@pytest.mark.filterwarnings(*(OF_KERAS_2 if LEGACY else []))
@pytest.mark.parametrize("name", USES)
def test_use(name):
    try:
        found = USES[name].facts()
    except NotPossibleError as error:
        pytest.skip(str(error))
    assert list(differences(KNOWN[name], found)) == []


def changed(name, *path, to):
    """Returns facts of a use with another value at a path; without the last key for `...`."""
    facts = copy.deepcopy(KNOWN[name])
    place = facts
    for step in path[:-1]:
        place = place[step]
    if to is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = to
    return facts


FAULTS = {
    "a wrong rate": (
        ("metrics.batches", "run", "rows", 0, "batch/learning_rate", 3),
        0.10001,
        "run / rows[0] / batch/learning_rate[3]: 0.10001 instead of 0.1",
    ),
    "the number of another batch": (
        ("metrics.batches", "run", "rows", 0, "batch/batch_step", 3),
        4,
        "run / rows[0] / batch/batch_step[3]: 4 instead of 3",
    ),
    "a missing key": (
        ("metrics.epochs", "run", "rows", 0, "epoch/val_mae"),
        ...,
        "run / rows[0] / epoch/val_mae: missing",
    ),
    "another axis": (
        ("metrics.epochs", "run", "axes", "epoch/*"),
        "_step",
        'run / axes / epoch/*: "_step" instead of "epoch/epoch"',
    ),
    "one more artifact": (
        ("metrics.epochs", "run", "artifacts"),
        {"stray": {"type": "model"}},
        "run / artifacts: new",
    ),
    "an alias that has moved": (
        ("checkpoint.larger_is_better", "run", "artifacts", "run_run_model", "aliases", 1, 0),
        "best",
        'run / artifacts / run_run_model / aliases[1][0]: "best" instead of "epoch_1"',
    ),
    "a weight that was not restored": (
        ("checkpoint.hdf5", "noted", "restored weights", 0),
        0.0,
        "noted / restored weights[0]: 0.0 instead of",
    ),
    "a training that ends otherwise": (
        ("restoring.from_within_an_epoch", "noted", "ends as the whole one, bit for bit"),
        False,
        "noted / ends as the whole one, bit for bit: false instead of true",
    ),
}


@pytest.mark.backend_free
@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_seen(fault):
    (name, *path), to, said = FAULTS[fault]
    found = list(differences(KNOWN[name], changed(name, *path, to=to)))
    assert len(found) == 1
    assert found[0].startswith(said)


@pytest.mark.backend_free
def test_numbers_that_backends_round_otherwise_are_the_same():
    assert list(differences({"loss": [1.5, 0.0]}, {"loss": [1.500001, 0]})) == []


@pytest.mark.backend_free
def test_file_is_as_the_script_writes_it():
    assert FILE.read_text(encoding="utf-8") == written(KNOWN) + "\n"
    assert sorted(USES) == list(KNOWN)


def used_names():
    """Returns the names that the functions of the uses mention, without those imported only."""
    return {
        node.id if isinstance(node, ast.Name) else node.attr
        for tree in SOURCES
        for node in ast.walk(tree)
        if isinstance(node, (ast.Name, ast.Attribute))
    }


def given_arguments(callback):
    """Returns the names of the arguments with which a callback, or a subclass, is made."""
    given = set()
    parameters = [name for name in inspect.signature(callback).parameters if name != "self"]
    names = {callback.__name__} | {
        node.name
        for tree in SOURCES
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        and any(isinstance(base, ast.Name) and base.id == callback.__name__ for base in node.bases)
    }
    for tree in SOURCES:
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            called = getattr(node.func, "id", None) or getattr(node.func, "attr", None)
            if called == callback.__name__:
                given |= set(parameters[: len(node.args)])
            if called in names or called == "__init__":
                given |= {keyword.arg for keyword in node.keywords}
    return given


def unused(public, used):
    return sorted(set(public) - set(used))


@pytest.mark.backend_free
@pytest.mark.parametrize("member", MEMBERS)
def test_each_public_name_has_a_use(member):
    assert unused(importlib.import_module(member).__all__, used_names()) == []


@pytest.mark.backend_free
@pytest.mark.parametrize(("member", "name"), IN_FULL)
def test_each_argument_has_a_use(member, name):
    callback = getattr(importlib.import_module(member), name)
    parameters = inspect.signature(callback).parameters.values()
    arguments = [each.name for each in parameters if each.kind is not each.VAR_KEYWORD]
    assert unused(arguments, given_arguments(callback)) == []


@pytest.mark.backend_free
def test_a_name_and_an_argument_without_a_use_are_seen():
    assert unused(["WandbMetricsLogger", "WandbNewLogger"], used_names()) == ["WandbNewLogger"]

    class WandbMetricsLogger:
        def __init__(self, log_freq, throughput, brand_new):
            """Takes what no use gives."""

    arguments = inspect.signature(WandbMetricsLogger).parameters
    assert unused(arguments, given_arguments(WandbMetricsLogger)) == ["brand_new"]
