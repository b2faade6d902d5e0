"""Finds out where and why a training diverged."""
