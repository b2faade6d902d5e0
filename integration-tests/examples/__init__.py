"""The examples train, and their runs are read back."""
