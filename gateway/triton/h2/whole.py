"""The usual frame, and the quick way for it: DATA with one whole message and nothing else, for a stream that waits for
messages. All other frames, and all that is wrong, are left to the connection.

It knows the 14 bytes in front of such a message. It must not know what any other frame does.
"""

from __future__ import annotations

from collections.abc import Mapping
from struct import Struct

from gateway.triton.h2.frames import DATA
from gateway.triton.h2.stream import Stream

# Length (in two parts), type, flags and stream of the frame; flag and length of the message.
_HEADS = Struct(">HBBBIBI")
_SIZE = _HEADS.size
_PREFIX = 5  # bytes of it that are the message's


def take_whole(
    data: bytes, at: int, streams: Mapping[int, Stream], window: int, largest: int, news: dict[Stream, None]
) -> tuple[int, int, int]:
    """Gives the messages of usual frames to their streams. Where the first other frame begins, how many usual ones
    there were, and how many bytes of windows they used.

    ``window``: the connection's, in bytes. ``largest``: bytes of a frame and of a message. ``news``: gets the streams.
    """
    end = len(data)
    unpack = _HEADS.unpack_from
    count = used = 0
    while end - at >= _SIZE:
        high, low, kind, flags, id, compressed, size = unpack(data, at)
        length = size + _PREFIX
        if kind != DATA or flags or compressed or (high << 8 | low) != length:
            break
        stop = at + _SIZE + size
        stream = streams.get(id)
        if stop > end or stream is None or size > largest or used + length > window:
            break
        if length > stream.window or not stream.begun or stream.reader.rest:
            break
        stream.window -= length
        stream.messages.append(data[at + _SIZE : stop])
        news[stream] = None
        used += length
        count += 1
        at = stop
    return at, count, used
