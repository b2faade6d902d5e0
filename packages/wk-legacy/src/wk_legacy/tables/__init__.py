"""Tables of the validation data, and of predictions for it."""
