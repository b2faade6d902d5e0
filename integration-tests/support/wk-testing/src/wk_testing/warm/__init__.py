"""Interpreters that have imported Keras and wandb already, and become a process in no time."""
