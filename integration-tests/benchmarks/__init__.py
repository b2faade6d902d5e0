"""What the callbacks cost: scripts, each of which prints a table of the docs."""
