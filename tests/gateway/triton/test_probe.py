"""Probes of real tritonservers that are stopped, killed, started again, and whose model is unloaded."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from gateway.core.tensors import ModelSignature, TensorSpec
from gateway.triton.probe import Health, Probe, disagreement, fingerprint
from tests.gateway.triton.conftest import Connect
from tests.support.lone_triton import MODEL, LoneTriton, lone_triton, write_meter

WAIT_SECONDS = 20


class Reports:
    """What a probe reported last, to be waited for."""

    def __init__(self) -> None:
        self.all: list[Health] = []
        self._more = asyncio.Event()

    def __call__(self, health: Health) -> None:
        self.all.append(health)
        self._more.set()

    async def until(self, met: Callable[[Health], bool]) -> Health:
        async def wait() -> None:
            while not (self.all and met(self.all[-1])):
                self._more.clear()
                await self._more.wait()

        try:
            await asyncio.wait_for(wait(), WAIT_SECONDS)
        except asyncio.TimeoutError:
            pytest.fail(f"{len(self.all)} reports, the last: {self.all[-1:]}")
        return self.all[-1]


@contextlib.asynccontextmanager
async def probing(connect: Connect, address: str, model: str = MODEL) -> AsyncIterator[Reports]:
    transport = connect(address)
    probe = Probe(transport, model, period_seconds=0.05, timeout_seconds=0.5)
    reports = Reports()
    running = asyncio.ensure_future(probe.run(reports))
    try:
        yield reports
        assert not running.done()
    finally:
        running.cancel()
        await asyncio.wait({running})
        await transport.close()  # while its Triton runs: one that ends waits for connections


async def test_a_triton_that_serves(connect: Connect, lone: LoneTriton) -> None:
    async with probing(connect, lone.grpc) as reports:
        health = await reports.until(lambda health: health.ready)
    assert health.up
    assert health.version is not None
    assert health.version.count(".") == 2
    assert health.signature is not None
    assert health.reason is None


async def test_a_model_that_is_not_there(connect: Connect, lone: LoneTriton) -> None:
    async with probing(connect, lone.grpc, "other") as reports:
        health = await reports.until(lambda health: health.up)
    assert not health.ready
    assert health.reason == "answers, but its model 'other' is not ready"


async def test_a_model_that_is_unloaded_and_loaded(connect: Connect, lone: LoneTriton) -> None:
    async with probing(connect, lone.grpc) as reports:
        await reports.until(lambda health: health.ready)
        await asyncio.to_thread(lone.load, False)
        health = await reports.until(lambda health: not health.ready)
        assert health.up
        await asyncio.to_thread(lone.load, True)
        await reports.until(lambda health: health.ready)


async def test_a_triton_that_is_stopped_and_goes_on(connect: Connect, lone: LoneTriton) -> None:
    async with probing(connect, lone.grpc) as reports:
        await reports.until(lambda health: health.ready)
        lone.freeze()
        health = await reports.until(lambda health: not health.up)
        assert health.reason == "no answer within 0.5 s"
        lone.thaw()
        await reports.until(lambda health: health.ready)


async def test_a_triton_that_is_killed_and_comes_back(connect: Connect, lone: LoneTriton) -> None:
    async with probing(connect, lone.grpc) as reports:
        before = await reports.until(lambda health: health.ready)
        await asyncio.to_thread(lone.kill)
        health = await reports.until(lambda health: not health.up)
        assert not health.ready
        assert (health.version, health.signature) == (before.version, before.signature)
        assert health.reason is not None
        assert "unavailable" in health.reason
        lone.start()
        await reports.until(lambda health: health.ready)


async def test_a_model_that_came_back_as_another_has_another_signature(
    connect: Connect, lone: LoneTriton, tmp_path: Path
) -> None:
    async with probing(connect, lone.grpc) as reports:
        first = await reports.until(lambda health: health.ready)
    with lone_triton(tmp_path, write_meter(tmp_path / "repository", {}, inputs=("in", "more"))) as other:
        async with probing(connect, other.grpc) as reports:
            second = await reports.until(lambda health: health.ready)
    assert first.signature != second.signature
    said = disagreement({lone.grpc: first, other.grpc: second})
    assert said is not None
    assert "differ in model signature" in said.text
    assert lone.grpc in said.text


@pytest.mark.parametrize("address", ["127.0.0.1:1", "no-such-name.invalid:8001"], ids=["refused", "unknown name"])
async def test_nobody_there(connect: Connect, address: str) -> None:
    async with probing(connect, address) as reports:
        health = await reports.until(lambda health: not health.up)
    assert not health.ready
    assert health.reason


async def test_somebody_who_accepts_and_never_answers(connect: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:  # the kernel accepts for it
        async with probing(connect, f"127.0.0.1:{listener.getsockname()[1]}") as reports:
            health = await reports.until(lambda health: not health.up)
            assert health.reason == "no answer within 0.5 s"


BASE = ModelSignature("m", (TensorSpec("in", "INT32", (-1,)),), (TensorSpec("out", "INT32", (-1,)),))
OTHERS = [
    ("renamed and parametrised", ModelSignature("n", BASE.inputs, BASE.outputs, parameters=(("path", "/a"),)), True),
    ("another type", ModelSignature("m", (TensorSpec("in", "INT64", (-1,)),), BASE.outputs), False),
    ("optional", ModelSignature("m", (TensorSpec("in", "INT32", (-1,), True),), BASE.outputs), False),
    ("decoupled", ModelSignature("m", BASE.inputs, BASE.outputs, decoupled=True), False),
    ("inputs are no outputs", ModelSignature("m", BASE.outputs, BASE.inputs), False),
]


@pytest.mark.parametrize(("other", "same"), [row[1:] for row in OTHERS], ids=[row[0] for row in OTHERS])
def test_fingerprints(other: ModelSignature, same: bool) -> None:
    assert (fingerprint(other) == fingerprint(BASE)) is same


def test_tritons_that_agree_need_no_words() -> None:
    known, unknown = Health(True, True, "2.51.0", "abc"), Health(False, False)
    assert disagreement({"a:1": known, "b:1": known, "c:1": unknown}) is None
    assert disagreement({}) is None


def test_tritons_of_several_versions_are_named() -> None:
    healths = {"a:1": Health(True, True, "2.51.0", "abc"), "b:1": Health(True, True, "2.60.0", "abc")}
    said = disagreement(healths)
    assert said is not None
    assert "differ in server version: 2.51.0 on a:1; 2.60.0 on b:1" in said.text
    assert said == disagreement({**healths, "c:1": healths["a:1"]})  # it need not be said again
    assert said != disagreement({**healths, "c:1": Health(True, True, "2.61.0", "abc")})
