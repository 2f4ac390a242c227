"""A server that answers every ModelStreamInfer with prepared responses, at a pace or as fast as it can be read.

It stands in for Triton where the receiving side alone is measured: a real one costs more per token than what is to be
seen. It speaks HTTP/2 as far as two clients need it (grpcio's and ours) and keeps to their windows. Never for tests of
behaviour.

    python -m loadtest.bench.replay --tokens 200 --gap-ms 50 --steps

prints its port, and ends when its input does.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import sys
from collections import deque
from typing import cast

import uvloop
from tritonclient.grpc import service_pb2

from gateway.triton.h2 import frames
from gateway.triton.h2.grpc_messages import framed
from gateway.triton.h2.headers import header_block

_ANSWER = header_block([(":status", "200"), ("content-type", "application/grpc")])
_TRAILERS = header_block([("grpc-status", "0")])
_PHASES = itertools.count()


def responses(tokens: int) -> list[bytes]:
    """As a TensorRT engine's model answers: one id at a time, the last response empty and final."""
    return [response([7 + number], final=False) for number in range(tokens)] + [response([], final=True)]


def response(ids: list[int], *, final: bool) -> bytes:
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
    return framed(message)


class Replay(asyncio.Protocol):
    """One client."""

    def __init__(self, prepared: list[bytes], gap: float, *, steps: bool) -> None:
        """``gap``: seconds between responses to one request, 0: none. ``steps``: all requests are answered at the same
        moments, as an engine that steps through its batch does; else each at its own."""
        self._prepared = prepared
        self._gap = gap
        self._steps = steps
        self._reader = frames.FrameReader(2**20)
        self._preface = len(frames.PREFACE)
        self._window = self._initial = frames.DEFAULT_WINDOW
        self._windows: dict[int, int] = {}
        self._left: dict[int, deque[bytes]] = {}
        self._due: dict[int, int] = {}  # responses that may be sent
        self._paused = False
        self._out = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by name
        self._transport.write(frames.settings([(frames.MAX_FRAME_SIZE, 16384)]))

    def data_received(self, data: bytes) -> None:
        if self._preface:
            skipped = min(self._preface, len(data))
            self._preface -= skipped
            data = data[skipped:]
        for kind, flags, id, payload in self._reader.push(data):
            if kind == frames.SETTINGS and not flags & frames.ACK:
                for setting, value in frames.read_settings(payload):
                    if setting == frames.INITIAL_WINDOW_SIZE:
                        self._windows = {id: window + value - self._initial for id, window in self._windows.items()}
                        self._initial = value
                self._out += frames.frame(frames.SETTINGS, frames.ACK, 0)
            elif kind == frames.PING and not flags & frames.ACK:
                self._out += frames.frame(frames.PING, frames.ACK, 0, payload)
            elif kind == frames.WINDOW_UPDATE and not id:
                self._window += frames.read_word(payload, "")
            elif kind == frames.WINDOW_UPDATE and id in self._windows:
                self._windows[id] += frames.read_word(payload, "")
            elif kind == frames.RST_STREAM:
                self._left.pop(id, None)
            elif kind == frames.DATA:
                if payload:
                    self._out += frames.window_update(0, len(payload))
                if flags & frames.END_STREAM:
                    self._begin(id)
        self._send()

    def _begin(self, id: int) -> None:
        self._out += frames.frame(frames.HEADERS, frames.END_HEADERS, id, _ANSWER)
        self._windows[id] = self._initial
        self._left[id] = deque(self._prepared)
        self._due[id] = len(self._prepared) if not self._gap else 0
        if self._gap:
            loop = asyncio.get_running_loop()
            phase = 0.0 if self._steps else (next(_PHASES) * 0.618 % 1) * self._gap
            start = (loop.time() // self._gap + 1) * self._gap + phase
            loop.call_at(start, self._step, id, start)

    def _step(self, id: int, due: float) -> None:
        if id in self._left:
            self._due[id] += 1
            asyncio.get_running_loop().call_at(due + self._gap, self._step, id, due + self._gap)
            if self._steps:
                self._fill(id)
                asyncio.get_running_loop().call_soon(self._flush)
            else:
                self._send()

    def _send(self) -> None:
        """All that is due and fits, one response of each request after another."""
        going = True
        while going and not self._paused:
            going = False
            for id in list(self._left):
                going = self._fill(id) or going
            if len(self._out) > 2**16:
                self._flush()
        self._flush()

    def _fill(self, id: int) -> bool:
        left = self._left[id]
        if not self._due[id] or len(left[0]) > min(self._window, self._windows[id]):
            return False
        message = left.popleft()
        self._due[id] -= 1
        self._window -= len(message)
        self._windows[id] -= len(message)
        self._out += frames.frame(frames.DATA, 0, id, message)
        if not left:
            self._out += frames.frame(frames.HEADERS, frames.END_HEADERS | frames.END_STREAM, id, _TRAILERS)
            del self._left[id]
        return True

    def _flush(self) -> None:
        if self._out:
            self._transport.write(bytes(self._out))
            self._out.clear()

    def connection_lost(self, exc: Exception | None) -> None:
        self._left.clear()

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._send()


async def serve(tokens: int, gap: float, steps: bool) -> None:
    loop = asyncio.get_running_loop()
    prepared = responses(tokens)
    server = await loop.create_server(lambda: Replay(prepared, gap, steps=steps), "127.0.0.1", 0)
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
    uvloop.run(serve(arguments.tokens, arguments.gap_ms / 1000, arguments.steps))


if __name__ == "__main__":
    main()
