"""Artifacts: collections, their versions, and how a version is made."""
