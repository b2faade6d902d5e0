"""Says what the installed versions lack of what wk stands on: `python -m wk_testing.canary`.

It ends with an error where a version breaks an entry of `wk_core.compat`. With a path, what is
left out is written there, as JSON: the version that has it, and what wk does without.
"""

import json
import sys
from pathlib import Path

from wk_testing.private_parts import Finding, look


def sentence(finding: Finding) -> str:
    """Says what is missing, since when it is there, and what wk does without."""
    entry = finding.entry
    state = "BROKEN" if finding.is_broken else "left out"
    parts = ", ".join(finding.missing)
    return f"{state}: {entry.function} stands on {parts} ({entry.versions}). {entry.without}."


def main() -> None:
    """Looks for all parts, says which are missing, and fails where one should be there."""
    findings = look()
    missing = [finding for finding in findings if finding.missing]
    for finding in missing:
        print(sentence(finding))
    broken = [finding for finding in missing if finding.is_broken]
    print(
        f"{len(findings) - len(missing)} of {len(findings)} entries stand, "
        f"{len(missing) - len(broken)} are left out, {len(broken)} are broken."
    )
    for path in sys.argv[1:]:
        left_out = [
            (entry.versions.partition(" to ")[0], entry.without)
            for entry in (finding.entry for finding in missing)
        ]
        Path(path).write_text(json.dumps(left_out, indent=2))
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
