"""Reading data: arrays of every backend, alone or nested, rows, and data without end."""
