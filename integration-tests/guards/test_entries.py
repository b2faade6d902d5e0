"""What is private to others and wk stands on is still there: a test for each entry of `compat`.

A red test names the entry. Look up in the release notes of its owner what the part has become;
mend the function in `wk_core.compat`, so that it works with both; add the version to its entry; and
run `.ci/compat-table --write`.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from wk_core.compat.entries import ENTRIES, Entry
from wk_core.compat.keras.flavour import LEGACY
from wk_testing.private_parts import Finding, is_older, is_there, look, sample_objects

pytestmark = pytest.mark.skipif(LEGACY, reason="Keras 2 changes no more")


@pytest.fixture(scope="module")
def findings() -> dict[str, Finding]:
    """What is there, by function."""
    return {finding.entry.function: finding for finding in look()}


@pytest.fixture(scope="module")
def samples() -> Iterator[dict[str, Any]]:
    with sample_objects() as samples:
        yield samples


def test_every_entry_stands_or_is_left_out(findings: dict[str, Finding]) -> None:
    broken = [
        f"{finding.entry.function} stands on {finding.missing}, which are gone (known in "
        f"{finding.entry.versions}). Without: {finding.entry.without}. See the first lines here."
        for finding in findings.values()
        if finding.is_broken
    ]
    assert not broken, "\n".join(broken)
    assert len(findings) == len(ENTRIES) > 40


def test_what_older_versions_lack_is_not_there(findings: dict[str, Finding]) -> None:
    known_too_late = [
        finding.entry.function
        for finding in findings.values()
        if is_older(finding.entry) and not finding.missing
    ]
    assert known_too_late == [], "these parts are there: add the version to their entries"


@pytest.mark.parametrize("part", ["run._no_such_thing", "wandb.sdk.no_such_module", "keras.src.x"])
def test_missing_part_goes_red(part: str, samples: dict[str, Any]) -> None:
    assert not is_there(part, samples)
    entry = Entry("f", (part,), "why", "Keras 3.0 to 3.15", "without", "report")
    assert Finding(entry, (part,)).is_broken
    later = replace(entry, versions="Keras 3.999 to 3.1000")
    assert Finding(later, (part,)).is_left_out
