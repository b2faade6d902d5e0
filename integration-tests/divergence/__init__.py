"""Trainings that diverge, and sane ones, under a guard."""
