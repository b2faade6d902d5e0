"""Trainings in several processes of this machine, held against the same training in one."""
