"""Private parts of Keras 3 and of Keras 2, and what the two name differently."""
