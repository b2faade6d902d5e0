"""Where each argument has gone: the table in the code, in the docs, and the calls in it."""

import ast
import inspect
import re
from pathlib import Path

import pytest
import wandb

import wk_checkpoint
import wk_eval
import wk_legacy
import wk_metrics
import wk_metrics.model.flops
from wk_legacy.migration import RENAMED, SUCCESSORS

pytestmark = pytest.mark.backend_free

PAGE = Path(__file__).parents[3] / "docs/pages/migrating.md"
OWN = {"image_range", "run", "unknown"}


def arguments():
    return set(inspect.signature(wk_legacy.WandbCallback).parameters) - OWN


def test_every_argument_has_a_successor():
    assert set(SUCCESSORS) == arguments()
    assert set(RENAMED.values()) <= arguments()
    assert not set(RENAMED) & arguments()


def test_the_docs_have_the_table():
    section = PAGE.read_text().partition("### In new code\n")[2]
    rows = re.findall(r"^\| `(\w+)` \| (\S+) \| `(.+)` \|$", section, re.MULTILINE)
    assert rows == [(name, each.package, each.use) for name, each in SUCCESSORS.items()]


@pytest.mark.parametrize("name", SUCCESSORS)
def test_successor_is_there(name):
    expression = ast.parse(SUCCESSORS[name].use, mode="eval").body
    is_call = isinstance(expression, ast.Call)
    names = {"run": wandb.Run, "wk_metrics": wk_metrics}
    for package in (wk_checkpoint, wk_eval, wk_legacy, wk_metrics):
        names.update({each: getattr(package, each) for each in package.__all__})
    found = eval(ast.unparse(expression.func if is_call else expression), names)
    if is_call:
        inspect.signature(found).bind_partial(
            *(each.id for each in expression.args if isinstance(each, ast.Name)),
            **{each.arg: None for each in expression.keywords},
        )
