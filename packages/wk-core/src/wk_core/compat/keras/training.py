"""What a step of a training does with a model, and where its state is, on either Keras."""

from typing import Any

from wk_core.compat.entries import say_missing, stands_on
from wk_core.compat.keras import flavour
from wk_core.compat.keras.flavour import backend, keras, loss_tracker
from wk_core.compat.keras.hooks import call_after_all, call_before_all
from wk_core.compat.keras.sharding import gather

__all__ = [
    "begin_at_epoch",
    "has_loss",
    "is_compiled",
    "loss_scale",
    "read_scalar",
    "samples_seen",
    "snapshot_value",
    "state_is_in_variables",
    "sync_state",
]


@stands_on(
    "model._initial_epoch",
    why="a callback has no public way to say with which epoch a `fit` begins",
    versions="Keras 3.0 to 3.15",
    without="a training that goes on by itself raises; `restore` and `initial_epoch` still work",
    report="not reported: for Keras, what its `BackupAndRestore` uses, in public",
)
def begin_at_epoch(model: Any, caller: Any, epoch: int) -> None:
    """Has the `fit` that calls `on_train_begin` begin with an epoch, whatever it was given.

    Args:
        model: The model.
        caller: The list of callbacks.
        epoch: The epoch, counted from 0.

    Raises:
        RuntimeError: If this version of Keras has no way to.
    """
    if not hasattr(model, "_initial_epoch"):
        raise RuntimeError(
            "This version of Keras does not let a callback choose the first epoch. Call "
            "`wk_checkpoint.restore` before `fit`, and pass it `initial_epoch`."
        )
    own, model._initial_epoch = model._initial_epoch, epoch

    def put_back(*_: Any, **__: Any) -> None:
        model._initial_epoch = own

    call_before_all(caller, "on_epoch_begin", put_back)
    call_after_all(caller, "on_train_end", put_back)


def is_compiled(model: Any) -> bool:
    """Returns whether a model's steps are compiled, so that its Python code runs when traced only.

    On JAX, Keras compiles no model with a layer that says that it cannot be (`RandomCrop`).
    """
    if getattr(model, "run_eagerly", False):
        return False
    return backend() == "tensorflow" or (
        backend() == "jax" and bool(getattr(model, "jit_compile", True))
    )


def has_loss(model: Any) -> bool:
    """Returns whether a model was compiled with a loss, or has another way to one."""
    own = getattr(type(model), "compute_loss", None) is not keras.Model.compute_loss
    return flavour.has_compiled_loss(model) or own or bool(model.losses)


def loss_scale(model: Any) -> float:
    """Returns the factor that mixed precision puts on the loss; 1 without an optimizer."""
    optimizer = getattr(model, "optimizer", None)
    return 1.0 if optimizer is None else flavour.loss_scale(optimizer)


def read_scalar(variable: Any) -> Any:
    """Returns what a variable with a single number holds; `float` and `int` take it.

    They do not take a variable of a `tf.distribute` strategy.
    """
    return variable.numpy() if backend() == "tensorflow" else variable


def samples_seen(model: Any) -> int:
    """Returns how many samples went into the model's loss since its metrics were reset.

    The trainers weigh each batch's loss with its number of samples. A model that computes its
    loss in other ways counts none.
    """
    tracker = loss_tracker(model)
    return 0 if tracker is None else int(read_scalar(tracker.count))


@stands_on(
    "jax_model._jax_state_synced",
    why="on JAX, the variables do not hold the training state while the batches of an epoch run, "
    "and nothing public says so",
    versions="Keras 3.0 to 3.15",
    without="on JAX, the state is put into the variables each time it is asked for, and learning "
    "rates are left out",
)
def state_is_in_variables(model: Any) -> bool:
    """Returns whether the variables hold the training state.

    On JAX they do not while the batches of an epoch run: what is assigned to one then is lost.
    """
    known = getattr(model, "_jax_state_synced", None)
    if known is None and backend() == "jax":
        say_missing(state_is_in_variables)
        return False
    return known is None or bool(known)


def sync_state(model: Any) -> None:
    """Puts the training state into the variables, where it is not there already.

    Only for the thread that trains: on JAX any other may meet arrays that the next step has
    consumed.
    """
    if not state_is_in_variables(model):
        model.jax_state_sync()


def snapshot_value(variable: Any) -> Any:
    """Returns a variable's value, unchanged by later assignments to the variable.

    On TensorFlow it shares the variable's memory until the next assignment, and costs next to
    nothing; elsewhere it is a copy on the device. The training state must be in the variables
    (`sync_state`). Where each process has a part of the value, all of them have to call this, in
    the same order.
    """
    if backend() in ("tensorflow", "torch"):
        return flavour.snapshot_value(variable)
    # The next step on JAX gives the array itself away.
    return keras.ops.copy(gather(variable.value))
