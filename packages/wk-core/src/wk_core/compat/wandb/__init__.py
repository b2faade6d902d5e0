"""Private parts of wandb."""
