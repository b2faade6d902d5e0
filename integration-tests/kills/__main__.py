"""Kills trainings while they save, and shows what is left: `python -m kills`.

To be run from the directory that holds the package. Ends with status 1 if anything is broken.
"""

import argparse
import os
import platform
import sys
import tempfile
import time
from pathlib import Path

from wk_testing.client import quiet_client


def main() -> None:
    """Runs a campaign and prints the table of the docs."""
    parser = argparse.ArgumentParser(prog="python -m kills", description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200, help="how many to kill in a save")
    parser.add_argument("--seed", type=int, default=0, help="decides the moments")
    parser.add_argument("--at-once", type=int, default=2, help="how many trainings run at once")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        directory = Path(name)
        prepare_environment(directory)
        from kills.campaign import run_campaign

        started = time.monotonic()
        tallies = run_campaign(options.kills, options.seed, directory, options.at_once)
    ours = [tally for tally in tallies if tally.target.contestant == "wk"]
    print(f"{platform.platform()}, {time.monotonic() - started:.0f} s, seed {options.seed}\n")
    print("| saved to | kills | during a save | loadable | broken | left over |")
    print("|---|---:|---:|---:|---:|---:|")
    for tally in tallies:
        print(tally.row)
    for tally in tallies:
        for fault in sorted({*tally.broken}):
            print(f"\n{tally.target.title}: {tally.broken.count(fault)} x {fault}")
    enough = sum(tally.during_save for tally in ours) == options.kills
    sys.exit(not enough or any(tally.broken or tally.litter for tally in ours))


def prepare_environment(directory: Path) -> None:
    """Has this process and the writers use TensorFlow, and keep what they write together."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    quiet_client(directory)


if __name__ == "__main__":
    main()
