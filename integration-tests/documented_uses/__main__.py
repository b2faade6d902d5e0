"""Runs every documented use and compares its facts with `facts.json`: `python -m documented_uses`.

To be run from the directory that holds the package. Ends with status 1 where something differs.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from wk_testing.client import quiet_client


def main() -> None:
    """Runs the uses that are asked for; writes their facts, or says what differs."""
    parser = argparse.ArgumentParser(
        prog="python -m documented_uses", description=__doc__.splitlines()[0]
    )
    parser.add_argument("uses", nargs="*", help="the first part of a use's name; all by default")
    parser.add_argument("--write", action="store_true", help="write the facts to the file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        prepare_environment(Path(name))
        from documented_uses.catalog import USES
        from documented_uses.comparing import FILE, differences, known_facts, written
        from documented_uses.use import NotPossibleError

        known = known_facts() if FILE.exists() else {}
        differs = False
        for use in USES.values():
            if options.uses and not use.name.startswith(tuple(options.uses)):
                continue
            try:
                found = use.facts()
            except NotPossibleError as error:
                print(f"{use.name}: left out, {error}")
                continue
            for difference in differences(known.get(use.name, {}), found):
                print(f"{use.name}: {difference}")
                differs = True
            known[use.name] = found
        if options.write:
            kept = {name: facts for name, facts in sorted(known.items()) if name in USES}
            FILE.write_text(written(kept) + "\n", encoding="utf-8")
    sys.exit(1 if differs and not options.write else 0)


def prepare_environment(directory: Path) -> None:
    """Keeps W&B offline and quiet, and what it writes in a directory."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ["WANDB_MODE"] = "offline"
    quiet_client(directory)


if __name__ == "__main__":
    main()
