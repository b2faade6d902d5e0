"""Artifacts: collections, their versions, and how a version comes to be."""
