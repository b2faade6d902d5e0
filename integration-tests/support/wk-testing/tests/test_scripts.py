"""A script that is a fork of what has imported Keras runs as in an interpreter of its own."""

import sys

import pytest

from wk_testing.scripts import run_script

pytestmark = [
    pytest.mark.backend_free,
    pytest.mark.skipif(sys.platform != "linux", reason="each script has its own interpreter"),
]

SCRIPTS = {
    "ends with a status": "import sys; print(sys.argv, __name__); sys.exit(3)",
    "raises": "print('begun'); 1 / 0",
    "is interrupted": "raise KeyboardInterrupt('by hand')",
    "is killed": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    "is terminated": "import os, signal; os.kill(os.getpid(), signal.SIGTERM)",
    "ends with its threads and hooks": """
import atexit, threading, time
atexit.register(print, "hook")
threading.Thread(target=lambda: (time.sleep(0.2), print("thread"))).start()
print("main")
""",
    "starts others": """
import multiprocessing, os, subprocess, sys
def double(number):
    return 2 * number
for method, function in (("fork", double), ("spawn", abs)):
    with multiprocessing.get_context(method).Pool(1) as pool:
        print(method, pool.map(function, [1, 2]))
subprocess.run([sys.executable, "-c", "import os; print(os.environ['WK_GIVEN'])"])
""",
    "has handlers, a directory and a session": """
import os, signal
print(signal.getsignal(signal.SIGINT) is signal.default_int_handler, os.getcwd())
print(signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGCHLD), os.getpgrp())
""",
    "has files open": "import os; print(sorted(os.listdir('/proc/self/fd'))[:-1])",
    "imports wk anew": "import sys; print([name for name in sys.modules if 'wk_core' in name])",
}


@pytest.mark.parametrize("source", SCRIPTS.values(), ids=SCRIPTS)
def test_fork_is_like_a_new_interpreter(source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    forked, plain = (
        run_script(source, "one", "two", new_interpreter=new, WK_GIVEN="given")
        for new in (False, True)
    )
    assert (forked.returncode, forked.stdout) == (plain.returncode, plain.stdout)
    assert forked.stderr.splitlines()[-1:] == plain.stderr.splitlines()[-1:]


def test_scripts_share_no_random_numbers_and_no_files():
    source = """
import random
import numpy as np
import wandb
wandb.Image(np.zeros((2, 2)))  # is written to a directory that wandb makes when it is imported
print(random.random(), np.random.random())
"""
    first, second = (run_script(source) for _ in range(2))
    assert first.returncode == second.returncode == 0, second.stderr
    numbers = [*first.stdout.split(), *second.stdout.split()]
    assert len(set(numbers)) == 4
