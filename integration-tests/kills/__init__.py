"""Processes that are killed, or run out of disk, while they save: what is left of checkpoints."""
