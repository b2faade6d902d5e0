"""Where checkpoints are written: local and remote paths, replaced in one step."""
