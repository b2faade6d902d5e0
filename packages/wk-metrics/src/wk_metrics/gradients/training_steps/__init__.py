"""Gradients of the training's own steps, taken inside them."""
