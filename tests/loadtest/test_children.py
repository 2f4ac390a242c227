"""Processes that end with this one: what they inherit, and signals that come while they start."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from loadtest.children import start
from tests.support.waiting import wait_for

ROOT = Path(__file__).parents[2]

# A hook of fork in which the signal comes: what the handler raises there would be thrown away.
IN_A_HOOK = """
import os, signal, subprocess, sys
from loadtest.children import start

os.register_at_fork(before=lambda: signal.raise_signal(signal.SIGINT))
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    start([sys.executable, "-c", "import time; time.sleep(60)"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
except KeyboardInterrupt:
    print("interrupted")
"""


def test_a_signal_in_a_hook_of_fork_is_not_lost() -> None:
    done = subprocess.run([sys.executable, "-c", IN_A_HOOK], cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert (done.stdout, done.stderr) == ("interrupted\n", "")


def test_a_child_can_be_interrupted() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a shell starts background jobs
    try:
        child = start(["/bin/cat", "/dev/zero"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    finally:
        signal.signal(signal.SIGINT, before)
    with child:
        child.send_signal(signal.SIGINT)
        assert child.wait(30) == -signal.SIGINT


def test_a_child_ends_with_its_parent() -> None:
    code = """
import subprocess
from loadtest.children import start
child = start(["/bin/sleep", "60"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
print(child.pid)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=30)
    path = Path(f"/proc/{int(done.stdout)}/cmdline")
    wait_for(lambda: not path.exists() or path.read_bytes() == b"", 10, "it is gone")
