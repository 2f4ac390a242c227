"""Server-sent events, however their bytes are cut."""

from __future__ import annotations

import pytest

from gateway.commands.client.errors import Broken
from gateway.commands.client.events import LIMIT, Event, EventReader

STREAMS = [
    pytest.param(b"data: 1\n\ndata: 2\n\n", [Event(("data: 1",)), Event(("data: 2",))], ["1", "2"], id="two"),
    pytest.param(b"data: 1\r\n\r\n", [Event(("data: 1",))], ["1"], id="crlf"),
    pytest.param(b"data:1\n\n", [Event(("data:1",))], ["1"], id="no-space"),
    pytest.param(b": ping\n\n", [Event((": ping",))], [None], id="comment"),
    pytest.param(b"event: e\ndata: 1\ndata: 2\n\n", [Event(("event: e", "data: 1", "data: 2"))], ["1\n2"], id="lines"),
    pytest.param(b"\n\n\ndata: 1\n\n\n", [Event(("data: 1",))], ["1"], id="blank-lines"),
    pytest.param("data: 你😀\n\n".encode(), [Event(("data: 你😀",))], ["你😀"], id="utf-8"),
    pytest.param(b"data: \xff\n\n", [Event(("data: \ufffd",))], ["\ufffd"], id="no-utf-8"),
    pytest.param(b"data: 1\n\ndata: 2\n", [Event(("data: 1",)), Event(("data: 2",), False)], ["1", "2"], id="open"),
    pytest.param(b"data: 1\n\ndat", [Event(("data: 1",)), Event(("dat",), False)], ["1", None], id="cut"),
    pytest.param(b"", [], [], id="nothing"),
]


@pytest.mark.parametrize(("stream", "events", "data"), STREAMS)
def test_every_cut_gives_the_same(stream: bytes, events: list[Event], data: list[str | None]) -> None:
    cuts = [[stream], [bytes([byte]) for byte in stream]]
    cuts += [[stream[:place], stream[place:]] for place in range(len(stream) + 1)]
    for pieces in cuts:
        reader = EventReader()
        found = [event for piece in pieces for event in reader.push(piece)] + reader.flush()
        assert found == events
        assert [event.data for event in found] == data
        assert reader.flush() == []


def fill(reader: EventReader, piece: bytes) -> None:
    for _ in range(LIMIT // len(piece) + 2):
        reader.push(piece)


@pytest.mark.parametrize("piece", [b"x" * 65536, (b"data: " + b"y" * 1017 + b"\n") * 64], ids=["one-line", "lines"])
def test_an_event_without_end_is_not_kept_for_ever(piece: bytes) -> None:
    with pytest.raises(Broken, match="8 MiB"):
        fill(EventReader(), piece)


def test_long_streams_are_no_long_event() -> None:
    reader = EventReader()
    for _ in range(LIMIT // 65536 + 2):
        assert len(reader.push((b"data: " + b"x" * 1016 + b"\n\n") * 64)) == 64
