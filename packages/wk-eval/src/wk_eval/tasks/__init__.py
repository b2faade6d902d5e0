"""The ready-made evaluations, one for each task."""
