"""Every documented use in a tiny training. `facts.json` says what its run and the disk then hold."""
