"""Both transports on real tritonservers: the same answers, the same signatures, the same ends."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest
from tokenizers import Tokenizer

from gateway.core.errors import UpstreamError
from gateway.core.tensors import Response, Tensor
from gateway.triton.grpc_transport import GrpcTransport
from gateway.triton.h2.transport import H2Transport
from gateway.triton.transport import Call, Transport
from loadtest.engine.journal import Journal
from loadtest.engine.script import Script, script_text
from tests.gateway.triton.conftest import Connect
from tests.gateway.triton.reading import responses_of
from tests.support.tokenizer import TokenizerFolder
from tests.support.triton import ScriptedTriton, Triton
from tests.support.waiting import until

MODELS = ["preprocessing", "tensorrt_llm", "postprocessing", "ensemble", "tensorrt_llm_bls"]


def asks(prompt: list[int], id: str, *, tokens: int = 64, stop: bool = False) -> Call:
    tensors = (
        Tensor.of("input_ids", "INT32", (1, len(prompt)), prompt),
        Tensor.of("input_lengths", "INT32", (1, 1), [len(prompt)]),
        Tensor.of("request_output_len", "INT32", (1, 1), [tokens]),
        Tensor.of("streaming", "BOOL", (1, 1), [True]),
    )
    ends = (*tensors[:3], Tensor.of("stop", "BOOL", (1, 1), [True]))
    return Call(
        "tensorrt_llm", id, tensors, ("output_ids", "sequence_length"), ("tensorrt_llm", ends) if stop else None
    )


def scripted(tokenizer: TokenizerFolder, script: Script, *, stop: bool = False) -> Call:
    ids = Tokenizer.from_file(str(tokenizer.path / "tokenizer.json")).encode(script_text(script)).ids
    return asks(ids, script.tag, stop=stop)


async def read(transport: Transport, what: Call) -> list[Response]:
    async with aclosing(responses_of(transport, what)) as responses:
        return [response async for response in responses]


@pytest.mark.parametrize("model", [*MODELS, "nothing"])
async def test_both_read_the_same_signature(scripted_triton: ScriptedTriton, model: str) -> None:
    transports = GrpcTransport(scripted_triton.grpc), H2Transport(scripted_triton.grpc)
    theirs, ours = [await transport.signature(model) for transport in transports]
    assert ours == theirs
    assert (ours is None) == (model == "nothing")
    assert [await transport.version() for transport in transports] == ["2.51.0"] * 2
    for transport in transports:
        await transport.live()
        assert await transport.ready(model) is (model != "nothing")
        await transport.close()


async def test_both_read_the_same_responses(openvino_triton: Triton) -> None:
    found = []
    for transport in GrpcTransport(openvino_triton.grpc), H2Transport(openvino_triton.grpc):
        found.append(await read(transport, asks([5, 6, 7, 8], "same", tokens=12)))
        await transport.close()
    theirs, ours = found
    assert ours == theirs
    assert len(ours) > 6


@pytest.mark.parametrize("stop", [False, True], ids=["cancelled", "stopped"])
async def test_leaving_reaches_the_engine(
    connect: Connect, request: pytest.FixtureRequest, scripted_triton: ScriptedTriton, stop: bool
) -> None:
    tag = request.node.name
    script = Script(tag=tag, text="one two three ", repeat=True, delay_ms=5)
    transport = connect(scripted_triton.grpc)
    async with aclosing(responses_of(transport, scripted(scripted_triton.tokenizer, script, stop=stop))) as responses:
        await anext(responses)
    await transport.close()  # waits until it is over
    seen = scripted_triton.journal.wait_for(tag, "cancel")
    assert seen["how"] == ("stop" if stop else "grpc")
    assert scripted_triton.journal.wait_for(tag, "end")["reason"] == "cancel"


async def test_an_engines_error(
    connect: Connect, request: pytest.FixtureRequest, scripted_triton: ScriptedTriton
) -> None:
    script = Script(tag=request.node.name, text="one two three", error_after=2)
    stream = responses_of(connect(scripted_triton.grpc), scripted(scripted_triton.tokenizer, script))
    found = [await anext(stream), await anext(stream)]
    assert [len(response.outputs["output_ids"].numbers()) for response in found] == [1, 1]
    with pytest.raises(UpstreamError, match="The engine failed the request: scripted failure"):
        await anext(stream)


async def test_a_model_that_is_not_there(connect: Connect, scripted_triton: ScriptedTriton) -> None:
    with pytest.raises(UpstreamError, match="nothing"):
        await read(connect(scripted_triton.grpc), Call("nothing", "x", ()))


async def test_hundreds_left_at_every_moment(
    connect: Connect, request: pytest.FixtureRequest, scripted_triton: ScriptedTriton
) -> None:
    tag = request.node.name
    transport = connect(scripted_triton.grpc)

    async def leave(number: int) -> None:
        script = Script(tag=f"{tag}-{number}", text="one two three four five six", delay_ms=1)
        what = scripted(scripted_triton.tokenizer, script, stop=number % 4 != 0)
        async with aclosing(responses_of(transport, what)) as responses:
            for _ in range(number % 9):
                if (await anext(responses)).final:
                    break

    for start in range(0, 200, 20):
        await asyncio.gather(*(leave(number) for number in range(start, start + 20)))
    await transport.close()
    fresh = connect(scripted_triton.grpc)
    script = Script(tag=f"{tag}-after", text="one two three")
    assert (await read(fresh, scripted(scripted_triton.tokenizer, script)))[-1].final
    journal = scripted_triton.journal
    until(lambda: tags(journal, "start", tag) <= tags(journal, "end", tag))


def tags(journal: Journal, event: str, prefix: str) -> set[str]:
    return {each["tag"] for each in journal.records(event=event) if each["tag"].startswith(prefix)}
