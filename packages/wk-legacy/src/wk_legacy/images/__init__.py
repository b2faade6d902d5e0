"""Images of examples: inputs, predictions and references side by side."""
