"""Gradients of the loss, as histograms and norms."""
