"""Makes OpenVINO's objects in a thread that ends with their making.

OpenVINO's CPU plugin gives the thread that loads it another stack for signals (sigaltstack), and unmaps that stack when
the plugin is unloaded, in whichever thread that happens. In the main thread, the next signal that Python
handles would then kill the process, without a trace. Knows threads only.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def in_own_thread(make: Callable[[], T]) -> T:
    """What ``make`` returns or raises."""
    with ThreadPoolExecutor(1, "openvino") as thread:
        return thread.submit(make).result()
