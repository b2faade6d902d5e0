"""The facts of a run, from the file that it has written."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from documented_uses.facts.artifacts import artifact_facts
from documented_uses.facts.media import gather_media
from documented_uses.facts.values import columns, plain, short, without_digests
from wk_testing.wandb_file import RunFile

# Durations, which are never twice the same, and operations, which backends count differently.
_VARIES: Final = re.compile(r"/(steps_per_second|samples_per_second|mean_step_time)$|^GFLOPs$")
# PyTorch's wait for data, and Keras 2's own name of the rate in its logs.
_NOT_EVERYWHERE: Final = ("/data_wait_share", "/lr")
_OURS_OF_AN_OPTIMIZER: Final = ("class", "name", "learning_rate")  # the rest is Keras' own
_CHART: Final = re.compile(r"_wandb/visualize/(.*)")


def run_facts(run: RunFile) -> dict[str, Any]:
    """Returns the rows, the axes, the summary, the config and the artifacts of a run."""
    facts = {
        "rows": _rows([_cells(row) for row in run.history]),
        "axes": dict(sorted(run.step_metrics.items())),
        "summary": _summary(run),
        "config": _config(run.config),
        "charts": _charts(run.config),
        "artifacts": artifact_facts(run.artifacts),
    }
    return {name: each for name, each in facts.items() if each}


def _rows(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns the rows as columns, those that have the same keys together."""
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row), []).append(row)
    return [columns(group) for group in groups.values()]


def _cells(row: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the values of a row, media as a text."""
    cells = {}
    for key, value in sorted(gather_media(row).items()):
        if not key.endswith(_NOT_EVERYWHERE):
            cells[without_digests(key)] = "…" if _VARIES.search(key) else _short(value)
    return cells


def _short(value: Any) -> Any:
    return short(value) if isinstance(value, list) else plain(value)


def _summary(run: RunFile) -> dict[str, Any]:
    """Returns what the summary has beside the last value of each key of the rows."""
    last: dict[str, Any] = {}
    for row in run.history:
        last |= row
    own = {key: value for key, value in run.summary.items() if last.get(key, ...) != value}
    return _cells(_without_wandbs(own))


def _config(config: Mapping[str, Any]) -> dict[str, Any]:
    own = _cells(_without_wandbs(config))
    if "model_info" in own:
        optimizer = own["model_info"]["optimizer"]
        own["model_info"]["optimizer"] = {name: optimizer[name] for name in _OURS_OF_AN_OPTIMIZER}
    return own


def _without_wandbs(entries: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in entries.items() if not key.startswith("_")}


def _charts(config: Mapping[str, Any]) -> dict[str, str]:
    """Returns what kind of chart each table is shown as."""
    nested = config.get("_wandb", {})
    panels = dict(nested.get("visualize", {}) if isinstance(nested, Mapping) else {})
    for key, value in config.items():
        if found := _CHART.fullmatch(key):
            panels[found[1]] = value
    return {key: panel["panel_config"]["panelDefId"] for key, panel in sorted(panels.items())}
