"""Checkpoints on a server: versions, what is kept of them, and how a training goes on."""
