import threading
from collections.abc import Iterator

import pytest

from model_repo_builder.triton_models.shared.cancel_watch import CancelWatch

PATIENCE = 10


@pytest.fixture
def watch() -> Iterator[CancelWatch]:
    watch = CancelWatch(period_seconds=0.005)
    yield watch
    watch.close()


def test_ends_what_was_left_and_nothing_else(watch: CancelWatch) -> None:
    left, ended, other = threading.Event(), threading.Event(), threading.Event()
    watch.add("other", lambda: False, other.set)
    watch.add("one", left.is_set, ended.set)
    left.set()
    assert ended.wait(PATIENCE)
    assert not other.is_set()


def test_ends_again_what_did_not_end(watch: CancelWatch) -> None:
    calls = threading.Semaphore(0)
    watch.add("one", lambda: True, calls.release)
    assert calls.acquire(timeout=PATIENCE)
    assert calls.acquire(timeout=PATIENCE)


def test_after_removal_nobody_is_asked(watch: CancelWatch) -> None:
    asked, removed, wrong = threading.Event(), threading.Event(), threading.Event()

    def has_left() -> bool:
        asked.set()
        if removed.is_set():
            wrong.set()
        return False

    watch.add("one", has_left, lambda: None)
    assert asked.wait(PATIENCE)
    watch.remove("one")
    removed.set()
    # A later round has looked at everything that is watched.
    round_done = threading.Event()
    watch.add("two", lambda: True, round_done.set)
    assert round_done.wait(PATIENCE)
    assert not wrong.is_set()


def test_an_end_may_remove_itself(watch: CancelWatch) -> None:
    done = threading.Event()

    def end() -> None:
        watch.remove("one")
        done.set()

    watch.add("one", lambda: True, end)
    assert done.wait(PATIENCE)
