"""Every documented use in a tiny training; what its run and the disk then hold is in `facts.json`."""
