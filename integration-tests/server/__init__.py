"""A W&B server on the loopback interface, for tests against the unmodified wandb client."""
