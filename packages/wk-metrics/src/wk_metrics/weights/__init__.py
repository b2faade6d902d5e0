"""Weights of a model, as histograms."""
