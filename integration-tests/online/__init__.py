"""Trainings that report to a server, and what arrives there when something fails."""
