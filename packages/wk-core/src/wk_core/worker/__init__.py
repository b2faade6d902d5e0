"""A run in the worker processes of a data loader."""
