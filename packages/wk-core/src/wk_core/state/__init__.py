"""The state of a training: what callbacks remember of it, and going back to an earlier one."""
