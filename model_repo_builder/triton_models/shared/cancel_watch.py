"""Notices that a client has left, and ends what runs for it.

A thread that serves a request waits for the engine's next token and cannot look around; this one thread looks
for all of them. What "has left" and "end it" mean is given in. Knows nothing of Triton.
"""

import threading
import time
from collections.abc import Callable, Hashable

_AGAIN_SECONDS = 1.0


class CancelWatch:
    def __init__(self, period_seconds: float) -> None:
        self._period = period_seconds
        self._changed = threading.Condition()
        self._looking = threading.Lock()
        self._watched: dict[Hashable, tuple[Callable[[], bool], Callable[[], None]]] = {}
        self._ended: dict[Hashable, float] = {}
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="cancel-watch", daemon=True)
        self._thread.start()

    def add(self, key: Hashable, has_left: Callable[[], bool], end: Callable[[], None]) -> None:
        """Until it is removed: once ``has_left()`` is true, ``end()`` is called.

        It is called again every second: what is to be ended may just not have begun the first time.
        """
        with self._changed:
            self._watched[key] = (has_left, end)
            self._changed.notify()

    def remove(self, key: Hashable) -> None:
        """After this ``has_left`` is not called any more, not even by a look that had begun."""
        with self._looking, self._changed:
            self._watched.pop(key, None)
            self._ended.pop(key, None)

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._watched)
                self._changed.wait_for(lambda: self._closed, timeout=self._period)
                if self._closed:
                    return
                keys = list(self._watched)
            for key in keys:
                end = self._due(key)
                if end is not None:
                    end()

    def _due(self, key: Hashable) -> Callable[[], None] | None:
        with self._looking:
            has_left, end = self._watched.get(key, (None, None))
            if has_left is None:
                return None
            now = time.monotonic()
            ended = self._ended.get(key)
            if now - ended < _AGAIN_SECONDS if ended is not None else not has_left():
                return None
            self._ended[key] = now
            return end
