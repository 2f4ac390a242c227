"""Notices that a client has left, and ends what runs for it.

A thread that serves a request waits for the engine's next token and cannot look around; this one thread looks for all of them.
What "has left" and "end it" mean is given in. Knows nothing of Triton.
"""

import threading
from collections.abc import Callable, Hashable


class CancelWatch:
    def __init__(self, period_seconds: float) -> None:
        self._period = period_seconds
        self._changed = threading.Condition()
        self._watched: dict[Hashable, tuple[Callable[[], bool], Callable[[], None]]] = {}
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="cancel-watch", daemon=True)
        self._thread.start()

    def add(self, key: Hashable, has_left: Callable[[], bool], end: Callable[[], None]) -> None:
        """Until it is removed: once ``has_left()`` is true, ``end()`` is called, once."""
        with self._changed:
            self._watched[key] = (has_left, end)
            self._changed.notify()

    def remove(self, key: Hashable) -> None:
        with self._changed:
            self._watched.pop(key, None)

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
                watched = list(self._watched.items())
            for key, (has_left, end) in watched:
                if has_left():
                    self.remove(key)
                    end()
