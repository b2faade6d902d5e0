"""A step of gradient descent, for models with a `train_step` of their own."""

from collections.abc import Callable, Sequence
from typing import Any

from wk_core.compat.keras.flavour import backend

__all__ = ["descend", "gradient_norms"]


def descend(optimizer: Any, variables: Sequence[Any], loss_of: Callable[[], Any]) -> Any:
    """Applies an optimizer once; returns the loss. For TensorFlow and PyTorch."""
    if backend() == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            loss = loss_of()
        optimizer.apply(tape.gradient(loss, variables), variables)
        return loss

    import torch

    loss = loss_of()
    gradients = torch.autograd.grad(loss, [variable.value for variable in variables])
    with torch.no_grad():
        optimizer.apply(list(gradients), variables)
    return loss.detach()


def gradient_norms(function: Callable[[Any], Any], inputs: Any) -> Any:
    """Returns the norm of each input's gradient, through which a loss can go."""
    if backend() == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = function(inputs)
        gradients = tape.gradient(outputs, inputs)
        return tf.norm(tf.reshape(gradients, (tf.shape(gradients)[0], -1)), axis=1)

    import torch

    inputs = inputs.detach().requires_grad_()
    (gradients,) = torch.autograd.grad(function(inputs).sum(), inputs, create_graph=True)
    return gradients.flatten(1).norm(dim=1)
