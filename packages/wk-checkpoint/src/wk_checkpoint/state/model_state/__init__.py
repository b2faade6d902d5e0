"""What a checkpoint has to know of a model, for each Keras."""
