"""A server that answers every ModelStreamInfer with prepared responses, at a pace or as fast as it can be read.

It stands in for Triton where the receiving side alone is measured: a real one costs more per token than what is to be
seen. It speaks HTTP/2 as far as two clients need it (grpcio's and ours) and keeps to their windows. Every response is
a frame of its own, as Triton writes them; what is due at once is written together. Never for tests of behaviour.

    python -m loadtest.bench.replay --tokens 200 --gap-ms 50 --steps

prints its port, and ends when its input does.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import uvloop
from tritonclient.grpc import service_pb2

from loadtest.bench import http2

ANSWER = http2.header_block({":status": "200", "content-type": "application/grpc"})
TRAILERS = http2.header_block({"grpc-status": "0"})
_WRITE_BYTES = 2**16  # that are gathered for one write
_PHASES = itertools.count()

# A response, ready to be sent: its frame's head up to the stream's id, itself, and its size.
Prepared = tuple[bytes, bytes, int]


@dataclass(frozen=True, slots=True)
class Pace:
    """``gap``: seconds between the responses to one request, 0: none. ``steps``: all requests are answered at the same
    moments, as an engine that steps through its batch does; else each at its own, spread evenly."""

    gap: float
    steps: bool = False


def phase() -> float:
    """The next one of a row that is spread evenly over 0 to 1, however long it grows."""
    return next(_PHASES) * 0.618034 % 1


def prepared(message: bytes) -> Prepared:
    return http2.frame(http2.DATA, 0, 0, message)[:5], message, len(message)


def responses(ids: Sequence[int]) -> list[Prepared]:
    """As a TensorRT engine's model answers: one id at a time, the last response empty and final."""
    known = {id: response([id], final=False) for id in set(ids)}
    return [*(known[id] for id in ids), response([], final=True)]


def response(ids: list[int], *, final: bool) -> Prepared:
    inner = service_pb2.ModelInferResponse(
        model_name="tensorrt_llm", model_version="1", id="chatcmpl-0123456789abcdef0123456789abcdef"
    )
    inner.parameters["sequence_id"].int64_param = 0
    inner.parameters["sequence_start"].bool_param = False
    inner.parameters["sequence_end"].bool_param = False
    inner.parameters["triton_final_response"].bool_param = final
    inner.outputs.add(name="output_ids", datatype="INT32", shape=[1, 1, len(ids)])
    inner.outputs.add(name="sequence_length", datatype="INT32", shape=[1, 1])
    inner.raw_output_contents.append(b"".join(id.to_bytes(4, "little") for id in ids))
    inner.raw_output_contents.append(len(ids).to_bytes(4, "little"))
    message: bytes = service_pb2.ModelStreamInferResponse(infer_response=inner).SerializeToString()
    return prepared(http2.framed(message))


class Answer:
    """What one request still gets."""

    __slots__ = ("at", "due", "id", "messages", "tail", "window")

    def __init__(self, stream: int, messages: Sequence[Prepared], window: int, due: int) -> None:
        self.messages, self.window, self.due = messages, window, due  # due: how many may have been sent by now
        self.at = 0
        self.tail = stream.to_bytes(4, "big")
        self.id = stream


class Replay(asyncio.Protocol):
    """One client."""

    def __init__(self, messages: Sequence[Prepared], pace: Pace) -> None:
        self._messages, self._pace = messages, pace
        self._reader = http2.Reader()
        self._window = self._initial = http2.DEFAULT_WINDOW
        self._answers: dict[int, Answer] = {}
        self._stepping: dict[int, Answer] = {}  # answered at common moments
        self._timer: asyncio.TimerHandle | None = None
        self._paused = False
        self._out: list[bytes] = []
        self._size = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by name
        self._transport.set_write_buffer_limits(high=4 * _WRITE_BYTES)
        self._transport.write(http2.settings({http2.MAX_FRAME_SIZE: http2.DEFAULT_FRAME}))

    def data_received(self, data: bytes) -> None:
        opened = False
        for kind, flags, id, payload in self._reader.push(data):
            if kind == http2.SETTINGS and not flags & http2.ACK:
                initial = http2.read_settings(payload).get(http2.INITIAL_WINDOW_SIZE, self._initial)
                for answer in self._answers.values():
                    answer.window += initial - self._initial
                self._initial = initial
                self._out.append(http2.frame(http2.SETTINGS, http2.ACK, 0))
                opened = True
            elif kind == http2.PING and not flags & http2.ACK:
                self._out.append(http2.frame(http2.PING, http2.ACK, 0, payload))
            elif kind == http2.WINDOW_UPDATE:
                opened = True
                size = int.from_bytes(payload, "big")
                if not id:
                    self._window += size
                elif id in self._answers:
                    self._answers[id].window += size
            elif kind == http2.RST_STREAM:
                self._answers.pop(id, None)
                self._stepping.pop(id, None)
                self._forget(id)
            elif kind == http2.HEADERS:
                self._headers(id, payload)
            elif kind == http2.DATA:
                if payload:
                    self._out.append(http2.window_update(0, len(payload)))
                self._body(id, payload)
                if flags & http2.END_STREAM:
                    opened = True
                    self._begin(id)
        if opened:
            self._send()
        else:
            self._flush()

    def _headers(self, id: int, block: bytes) -> None:
        """Of a request: of no interest here."""

    def _body(self, id: int, payload: bytes) -> None:
        """A part of a request: neither."""

    def _forget(self, id: int) -> None:
        """A request that its client has left."""

    def _begin(self, id: int) -> None:
        self._answer(id, self._messages, self._pace)

    def _answer(self, id: int, messages: Sequence[Prepared], pace: Pace) -> None:
        """Paced, the first response comes after one gap, as from an engine that has a prompt to read; where each has
        its moments, the second one comes up to a gap late, so that requests that came together part."""
        self._out.append(http2.frame(http2.HEADERS, http2.END_HEADERS, id, ANSWER))
        answer = self._answers[id] = Answer(id, messages, self._initial, 0 if pace.gap else len(messages))
        if not pace.gap:
            return
        now = self._loop.time()
        if pace.steps:
            self._stepping[id] = answer
            if self._timer is None:
                self._timer = self._loop.call_at((now // pace.gap + 2) * pace.gap, self._step_all, pace.gap)
        else:
            self._loop.call_at(now + pace.gap, self._step, answer, now + pace.gap * (1 + phase()), pace.gap)

    def _step(self, answer: Answer, due: float, gap: float) -> None:
        if answer.id not in self._answers:
            return
        answer.due += 1
        if not self._paused:
            self._fill(answer)
            self._flush()
        if answer.id in self._answers:
            self._loop.call_at(due + gap, self._step, answer, due + gap, gap)

    def _step_all(self, gap: float) -> None:
        for answer in self._stepping.values():
            answer.due += 1
        if not self._paused:
            self._send()
        self._timer = None
        if self._stepping:
            next_step = (round(self._loop.time() / gap) + 1) * gap
            self._timer = self._loop.call_at(next_step, self._step_all, gap)

    def _send(self) -> None:
        """All that is due and fits, one response of each request after another."""
        going = True
        while going and not self._paused:
            going = False
            for answer in list(self._answers.values()):
                if answer.at < answer.due:
                    going = self._fill(answer) or going
            if self._size > _WRITE_BYTES:
                self._flush()
        self._flush()

    def _fill(self, answer: Answer) -> bool:
        head, message, size = answer.messages[answer.at]
        if size > self._window or size > answer.window:
            return False
        answer.at += 1
        answer.window -= size
        self._window -= size
        self._size += size
        self._out += (head, answer.tail, message)
        if answer.at == len(answer.messages):
            end = http2.END_HEADERS | http2.END_STREAM
            self._out.append(http2.frame(http2.HEADERS, end, answer.id, TRAILERS))
            del self._answers[answer.id]
            self._stepping.pop(answer.id, None)
        return True

    def _flush(self) -> None:
        if self._out:
            self._transport.write(b"".join(self._out))
            self._out.clear()
            self._size = 0

    def connection_lost(self, exc: Exception | None) -> None:
        self._answers.clear()
        self._stepping.clear()

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._send()


async def serve(tokens: int, pace: Pace) -> None:
    loop = asyncio.get_running_loop()
    messages = responses(range(7, 7 + tokens))
    server = await loop.create_server(lambda: Replay(messages, pace), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m loadtest.bench.replay", description=__doc__)
    parser.add_argument("--tokens", type=int, default=200, help="responses to each request")
    parser.add_argument(
        "--gap-ms", type=float, default=50, help="milliseconds between them; 0: as fast as they are read"
    )
    parser.add_argument("--steps", action="store_true", help="all requests are answered at the same moments")
    arguments = parser.parse_args()
    uvloop.run(serve(arguments.tokens, Pace(arguments.gap_ms / 1000, arguments.steps)))


if __name__ == "__main__":
    main()
