"""Private parts of Python's own library."""

from collections.abc import Callable
from multiprocessing import util

from wk_core.compat.entries import say_missing, stands_on

__all__ = ["end_of_workers"]


@stands_on(
    "multiprocessing.util._exit_function",
    why="`multiprocessing` has no public function that ends child processes as at exit",
    versions="Python 3.3 to 3.14",
    without="a worker that outlives the main script may lose what it logs last",
    report="not reported: for Python, an exit order that can be chosen",
)
def end_of_workers() -> Callable[[], None] | None:
    """Returns the exit hook of `multiprocessing`, which ends workers; None where it is not known.

    It is registered with `atexit` when `multiprocessing` is imported.
    """
    hook: Callable[[], None] | None = getattr(util, "_exit_function", None)
    if hook is None:
        say_missing(end_of_workers)
    return hook
