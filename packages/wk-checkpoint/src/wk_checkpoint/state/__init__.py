"""Where a training stands: what a checkpoint holds besides the model."""
