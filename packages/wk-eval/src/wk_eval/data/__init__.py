"""Chooses examples from data of any kind, and predicts them."""
