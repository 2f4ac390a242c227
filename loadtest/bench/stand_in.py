"""A server that a gateway takes for a Triton: the replay of prepared responses, and answers to what gateways ask first.

It tells of one engine model on the direct route. Like the replay it is for figures of the gateway's own cost, where a
real Triton costs more per token than what is to be seen; never for tests of behaviour.

    python -m loadtest.bench.stand_in --tokens 200 --gap-ms 50

prints its port, and ends when its input does.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable

import hpack
import uvloop
from tokenizers import Tokenizer
from tritonclient.grpc import model_config_pb2, service_pb2

from gateway.triton.h2 import frames
from gateway.triton.h2.grpc_messages import framed
from loadtest.bench.replay import Replay, response
from loadtest.engine_repository import SEEDLING

SERVICE = "/inference.GRPCInferenceService/"
ENGINE = "tensorrt_llm"


OPTIONAL = {
    "end_id": "INT32",
    "pad_id": "INT32",
    "temperature": "FP32",
    "runtime_top_p": "FP32",
    "runtime_top_k": "INT32",
    "random_seed": "UINT64",
    "streaming": "BOOL",
    "stop": "BOOL",
}
TEXT = (
    "The gateway reads each token as it comes, turns it into text and passes it on. Nothing waits for the end of the "
    "answer, and nobody waits for somebody else. "
)


def answer(tokens: int) -> list[bytes]:
    """A text of so many tokens, one in each response, and the final response."""
    ids = Tokenizer.from_file(str(SEEDLING / "tokenizer.json")).encode(TEXT, add_special_tokens=False).ids
    return [*(response([ids[n % len(ids)]], final=False) for n in range(tokens)), response([], final=True)]


def model_config() -> model_config_pb2.ModelConfig:
    """The inputs and outputs of an engine model that the direct route needs."""
    config = model_config_pb2.ModelConfig(name=ENGINE, backend="tensorrtllm", max_batch_size=64)
    config.model_transaction_policy.decoupled = True
    config.parameters["exclude_input_in_output"].string_value = "true"
    config.input.add(name="input_ids", data_type=model_config_pb2.TYPE_INT32, dims=[-1])
    for name in ("input_lengths", "request_output_len"):
        config.input.add(name=name, data_type=model_config_pb2.TYPE_INT32, dims=[1])
    for name, kind in OPTIONAL.items():
        config.input.add(name=name, data_type=getattr(model_config_pb2, f"TYPE_{kind}"), dims=[1], optional=True)
    config.output.add(name="output_ids", data_type=model_config_pb2.TYPE_INT32, dims=[-1, -1])
    config.output.add(name="sequence_length", data_type=model_config_pb2.TYPE_INT32, dims=[-1])
    return config


def unary() -> dict[str, bytes]:
    """Path → the framed message that answers it."""
    answers = {
        "ServerLive": service_pb2.ServerLiveResponse(live=True),
        "ServerReady": service_pb2.ServerReadyResponse(ready=True),
        "ModelReady": service_pb2.ModelReadyResponse(ready=True),
        "ServerMetadata": service_pb2.ServerMetadataResponse(name="stand-in", version="0"),
        "ModelConfig": service_pb2.ModelConfigResponse(config=model_config()),
    }
    return {SERVICE + name: framed(message.SerializeToString()) for name, message in answers.items()}


class StandIn(Replay):
    """One gateway."""

    def __init__(self, prepared: list[bytes], answers: dict[str, bytes], gap: float) -> None:
        super().__init__(prepared, gap, steps=False)
        self._answers = answers
        self._headers = frames.FrameReader(2**20)
        self._decoder = hpack.Decoder()
        self._skip = len(frames.PREFACE)
        self._paths: dict[int, str] = {}
        self._whole, self._pace = self._prepared, self._gap

    def data_received(self, data: bytes) -> None:
        skipped = min(self._skip, len(data))
        self._skip -= skipped
        for kind, _, id, payload in self._headers.push(data[skipped:]):
            if kind == frames.HEADERS:
                headers = self._decoder.decode(payload)
                self._paths[id] = next(str(value) for name, value in headers if str(name) == ":path")
        super().data_received(data)

    def _begin(self, id: int) -> None:
        told = self._answers.get(self._paths.pop(id, ""))
        self._prepared, self._gap = ([told], 0.0) if told is not None else (self._whole, self._pace)
        super()._begin(id)
        self._gap = self._pace


async def serve(tokens: int, gap: float, started: Callable[[int], None]) -> None:
    """Until the input ends."""
    loop = asyncio.get_running_loop()
    prepared, answers = answer(tokens), unary()
    server = await loop.create_server(lambda: StandIn(prepared, answers, gap), "127.0.0.1", 0)
    started(server.sockets[0].getsockname()[1])
    await loop.run_in_executor(None, sys.stdin.read)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m loadtest.bench.stand_in", description=__doc__)
    parser.add_argument("--tokens", type=int, default=200, help="responses to each request")
    parser.add_argument("--gap-ms", type=float, default=50, help="milliseconds between them; 0: as fast as they go")
    arguments = parser.parse_args()
    uvloop.run(serve(arguments.tokens, arguments.gap_ms / 1000, lambda port: print(port, flush=True)))


if __name__ == "__main__":
    main()
