"""Coverage-guided fuzzing of what a server may send, for as long as one likes; not a part of the test run.

    pip install atheris
    python -m tests.gateway.triton.h2.fuzz connection -max_total_time=60

The other target is ``infer``, whose judge is the protobuf library. Arguments after the target are libFuzzer's.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import atheris

with atheris.instrument_imports(include=["gateway.triton.h2", "hpack"]):
    from gateway.triton.h2.connection import Connection
    from gateway.triton.h2.infer import Seen
from gateway.core.errors import UpstreamError
from tests.gateway.triton.h2.peer import REQUEST, greeting
from tests.gateway.triton.h2.test_hostile import LIMITS
from tests.gateway.triton.h2.test_infer import Reading, library, read


def connection(data: bytes) -> None:
    """Whole and in two parts, the same comes of it, and nothing is raised."""
    cut, data = (data[0] * len(data) // 256, data[1:]) if data else (0, data)
    outcomes = []
    for parts in ([data], [data[:cut], data[cut:]]):
        fuzzed = Connection(LIMITS)
        fuzzed.receive(greeting())
        streams = [fuzzed.open(REQUEST, bytes(50), lambda: None) for _ in range(3)]
        for part in parts:
            fuzzed.receive(part)
        outcomes.append((fuzzed.lost, [(stream.end, fuzzed.take(stream)) for stream in streams]))
        assert set(fuzzed.streams.values()) == {stream for stream in streams if stream.end is None}
    assert outcomes[0] == outcomes[1], outcomes


SEEN = Seen()


def infer(data: bytes) -> None:
    """What the library reads, we read as it does, however often; what it refuses raises one error or is skipped."""
    theirs = library(data)
    assert theirs is None or read(data) == theirs
    reading = Reading(SEEN)
    for _ in range(2):
        try:
            found = reading.one(data)
        except UpstreamError:
            continue
        assert theirs is None or found == theirs


TARGETS: dict[str, Callable[[bytes], None]] = {"connection": connection, "infer": infer}

if __name__ == "__main__":
    target = TARGETS[sys.argv.pop(1)]
    atheris.Setup(sys.argv, target)
    atheris.Fuzz()
