"""A server that a gateway takes for a Triton: the replay of prepared responses, and answers to what gateways ask first.

It tells of one engine model on the direct route, and gives each request as many tokens as it asks for. Like the replay
it is for figures of the gateway's own cost, where a real Triton costs more per token than what is to be seen; never
for tests of behaviour.

    python -m loadtest.bench.stand_in --gap-ms 50

prints its port. A line of JSON on its input, as {"gap": 0.05, "steps": true}, sets the pace of requests to come, and
is answered with a line; it ends when its input does.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import threading
from collections.abc import Sequence

import hpack
import uvloop
from tokenizers import Tokenizer
from tritonclient.grpc import model_config_pb2, service_pb2

from loadtest.bench import http2
from loadtest.bench.replay import Pace, Prepared, Replay, prepared, response
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


class Answers:
    """A text of as many tokens as are wanted, one in each response, and the final response."""

    def __init__(self) -> None:
        ids = Tokenizer.from_file(str(SEEDLING / "tokenizer.json")).encode(TEXT, add_special_tokens=False).ids
        self._cycle = [response([id], final=False) for id in ids]
        self._final = response([], final=True)
        self._known: dict[int, Sequence[Prepared]] = {}

    def of(self, tokens: int) -> Sequence[Prepared]:
        if tokens not in self._known:
            cycle = self._cycle
            self._known[tokens] = [*(cycle[n % len(cycle)] for n in range(tokens)), self._final]
        return self._known[tokens]


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


def unary() -> dict[str, list[Prepared]]:
    """Path → what answers it."""
    answers = {
        "ServerLive": service_pb2.ServerLiveResponse(live=True),
        "ServerReady": service_pb2.ServerReadyResponse(ready=True),
        "ModelReady": service_pb2.ModelReadyResponse(ready=True),
        "ServerMetadata": service_pb2.ServerMetadataResponse(name="stand-in", version="0"),
        "ModelConfig": service_pb2.ModelConfigResponse(config=model_config()),
    }
    return {SERVICE + name: [prepared(http2.framed(each.SerializeToString()))] for name, each in answers.items()}


class Settings:
    """What all connections share, and what the input changes."""

    def __init__(self, pace: Pace) -> None:
        self.pace = pace
        self.answers = Answers()
        self.unary = unary()


class StandIn(Replay):
    """One gateway."""

    def __init__(self, settings: Settings) -> None:
        super().__init__((), settings.pace)
        self._settings = settings
        self._decoder = hpack.Decoder()
        self._paths: dict[int, str] = {}
        self._bodies: dict[int, bytes] = {}

    def _headers(self, id: int, block: bytes) -> None:
        headers = self._decoder.decode(block)
        self._paths[id] = next(str(value) for name, value in headers if str(name) == ":path")

    def _body(self, id: int, payload: bytes) -> None:
        self._bodies[id] = self._bodies.get(id, b"") + payload

    def _forget(self, id: int) -> None:
        self._paths.pop(id, None)
        self._bodies.pop(id, None)

    def _begin(self, id: int) -> None:
        path, body = self._paths.pop(id, ""), self._bodies.pop(id, b"")
        told = self._settings.unary.get(path)
        if told is not None:
            self._answer(id, told, Pace(0))
        else:
            self._answer(id, self._settings.answers.of(wanted(body)), self._settings.pace)


def wanted(body: bytes) -> int:
    """How many tokens a request asks for."""
    request = service_pb2.ModelInferRequest.FromString(body[5:])
    names = [tensor.name for tensor in request.inputs]
    return int.from_bytes(request.raw_input_contents[names.index("request_output_len")][:4], "little")


async def serve(pace: Pace) -> None:
    """Until the input ends."""
    loop = asyncio.get_running_loop()
    settings, over = Settings(pace), asyncio.Event()

    def obey() -> None:
        for line in sys.stdin:
            settings.pace = Pace(**json.loads(line))
            print(line, end="", flush=True)
        loop.call_soon_threadsafe(over.set)

    server = await loop.create_server(lambda: StandIn(settings), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    threading.Thread(target=obey, daemon=True).start()
    await over.wait()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m loadtest.bench.stand_in", description=__doc__)
    parser.add_argument("--gap-ms", type=float, default=50, help="milliseconds between them; 0: as fast as they go")
    arguments = parser.parse_args()
    uvloop.run(serve(Pace(arguments.gap_ms / 1000)))


if __name__ == "__main__":
    main()
