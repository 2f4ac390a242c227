"""``gateway`` with Python's collector in the hand of a test: SIGUSR1 collects and turns it off, SIGUSR2 logs what only
a collection would find since then, as a line of JSON.
"""

from __future__ import annotations

import gc
import json
import signal
import sys
from collections import Counter
from types import FrameType

from gateway.cli import main

MARK = "collected: "


def begin(number: int, frame: FrameType | None) -> None:
    gc.collect()
    gc.disable()
    print(MARK + json.dumps({"begun": True}), flush=True)


def tell(number: int, frame: FrameType | None) -> None:
    gc.set_debug(gc.DEBUG_SAVEALL)
    gc.collect()
    gc.set_debug(0)
    kinds = Counter(f"{type(each).__module__}.{type(each).__qualname__}" for each in gc.garbage)
    gc.garbage.clear()
    print(MARK + json.dumps({"kinds": dict(kinds.most_common(40))}), flush=True)


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, begin)
    signal.signal(signal.SIGUSR2, tell)
    sys.exit(main())
