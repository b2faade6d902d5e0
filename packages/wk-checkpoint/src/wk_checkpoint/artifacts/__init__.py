"""Checkpoints as versions of an artifact in W&B."""
