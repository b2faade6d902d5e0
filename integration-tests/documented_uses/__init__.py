"""Every documented use in a tiny training; `facts.json` has what its run and the disk then hold."""
