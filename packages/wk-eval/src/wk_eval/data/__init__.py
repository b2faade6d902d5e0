"""Reads data: chooses examples, and predicts them."""
