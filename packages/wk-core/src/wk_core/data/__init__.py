"""Reading data: arrays of every backend, containers with rows, and data without end."""
