"""The process that imports Keras, its backend and wandb once, and forks for each script.

What is tested is imported by each script anew. No thread that matters runs here: those of the
numerical libraries know about forks, and no backend begins to work before a script uses it.
"""

import contextlib
import gc
import json
import os
import random
import signal
import socket
import sys
import warnings
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any, NoReturn

__all__ = ["main"]


def main() -> None:
    """Serves the socket whose number is the only argument; runs a script in each fork."""
    interrupted = signal.signal(signal.SIGINT, signal.SIG_IGN)
    _import_others()
    directories = [each for each in gc.get_objects() if isinstance(each, TemporaryDirectory)]
    for directory in directories:
        directory.cleanup()  # each script has its own, and removes it when it ends
    gc.freeze()  # a fork copies the memory that its garbage collector would look at
    with socket.socket(fileno=int(sys.argv[1])) as control:
        request = _next_request(control)
    signal.signal(signal.SIGINT, interrupted)
    for directory in directories:
        TemporaryDirectory.__init__(directory)
    _run(**request)


def _import_others() -> None:
    import wandb.apis.public  # noqa: F401  `wandb.init` does

    if os.environ.get("TF_USE_LEGACY_KERAS") == "1":
        import tf_keras  # noqa: F401
    else:
        import keras  # noqa: F401


def _next_request(control: socket.socket) -> dict[str, Any]:
    """Returns what is to run, in the process that is to run it; ends when nobody asks any more."""
    while True:
        _, descriptors, _, _ = socket.recv_fds(control, 1, 4)
        _reap(os.WNOHANG if descriptors else 0)
        if not descriptors:
            sys.exit()
        request, stdout, stderr, reply = descriptors
        if _fork() == 0:
            break
        for descriptor in descriptors:
            os.close(descriptor)
    control.close()
    script = _fork()
    if script != 0:
        _report(script, stdout, stderr, reply)
    with open(request) as file:  # noqa: PTH123  a descriptor
        file.seek(0)
        asked: dict[str, Any] = json.load(file)
    os.dup2(stdout, 1)
    os.dup2(stderr, 2)
    for descriptor in (stdout, stderr, reply):
        os.close(descriptor)
    return asked


def _reap(options: int) -> None:
    """Takes note of processes that have ended; so the time that they took is this one's, too."""
    with contextlib.suppress(ChildProcessError):  # there are no others
        while os.waitpid(-1, options) != (0, 0):
            pass


def _fork() -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python 3.12: that there are other threads
        return os.fork()


def _report(script: int, stdout: int, stderr: int, reply: int) -> NoReturn:
    """Waits for a script, says how it ended, and ends."""
    try:
        os.close(stdout)
        os.close(stderr)
        os.write(reply, str(os.waitpid(script, 0)[1]).encode())
    finally:
        os._exit(0)


def _run(source: str, arguments: list[str], environment: dict[str, str], directory: str) -> None:
    """Runs Python code as `python -c` does."""
    os.chdir(directory)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[1:1] = filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))
    sys.argv = ["-c", *arguments]
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed(random.getrandbits(32))  # Python's own are other ones in each fork
    main_module = ModuleType("__main__")
    sys.modules["__main__"] = main_module
    exec(compile(source, "<string>", "exec", dont_inherit=True), vars(main_module))
