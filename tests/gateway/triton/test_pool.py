"""A pool on what fails beneath it. Fail-over and stalls are tried on real Tritons, in ``test_failover`` and
``test_discovered``."""

from __future__ import annotations

import asyncio

import pytest

from gateway.core.balance import Balance, Fleet, Work
from gateway.core.errors import SettingsError, UpstreamUnavailable
from gateway.core.tensors import ModelSignature
from gateway.triton.discovery import Changed, source
from gateway.triton.member import Looks
from gateway.triton.pool import Pool
from gateway.triton.probe import Asked
from tests.support.waiting import wait_for


class Well:
    """A backend whose Triton is well. ``closed``: it was closed. ``asked_version``: how often that was asked."""

    def __init__(self, version: str = "2.51.0") -> None:
        self.closed = False
        self.asked_version = 0
        self._version = version

    @property
    def known(self) -> str:
        return "bound"

    async def bound(self) -> str:
        return "bound"

    @property
    def asked(self) -> Asked:
        return self

    async def live(self) -> None: ...

    async def version(self) -> str:
        self.asked_version += 1
        return self._version

    async def ready(self, model: str = "") -> bool:
        return True

    async def signature(self, model: str) -> ModelSignature | None:
        return ModelSignature("m", (), ())

    async def close(self) -> None:
        self.closed = True


async def test_a_place_that_cannot_be_connected_is_left_out_and_the_others_serve(
    caplog: pytest.LogCaptureFixture,
) -> None:
    made: list[Well] = []

    def connect(address: str) -> Well:
        if address == "bad:1":
            raise SettingsError("triton_tls: cannot read ca ca.pem: No such file or directory.")
        made.append(Well())
        return made[-1]

    pool = Pool("m", source(["bad:1", "good:1"]), connect, Fleet(Balance(), random=lambda: 0.5))
    await pool.start()
    try:
        leased = await pool.lease(Work([1], 1))
        assert leased.address == "good:1"
        assert [state.address for state in pool.states()] == ["good:1"]
        with pytest.raises(UpstreamUnavailable):
            await pool.lease(Work([1], 1), exclude=["good:1"])
    finally:
        await pool.close()
    assert [backend.closed for backend in made] == [True]
    assert "Triton bad:1 of 'm' is left out" in caplog.text


async def test_mixed_versions_are_told_once(caplog: pytest.LogCaptureFixture) -> None:
    versions = {"a:1": "2.51.0", "b:1": "2.60.0", "c:1": "2.51.0"}
    made: list[Well] = []

    def connect(address: str) -> Well:
        made.append(Well(versions[address]))
        return made[-1]

    looks = Looks(period_seconds=0.001)
    pool = Pool("m", source(list(versions)), connect, Fleet(Balance(), random=lambda: 0.5), looks=looks)
    await pool.start()
    try:
        await asyncio.to_thread(wait_for, lambda: min(each.asked_version for each in made) >= 3, 20, "many probes")
    finally:
        await pool.close()
    told = [record.getMessage() for record in caplog.records if "differ in" in record.getMessage()]
    assert len(told) == 1
    assert "model 'm': The Tritons differ in server version: 2.51.0 on a:1" in told[0]


async def test_a_look_out_that_ends_by_itself_is_told(caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        async def watch(self, changed: Changed) -> None:
            raise RuntimeError("a mistake")

    pool = Pool("m", Broken(), lambda address: Well(), Fleet(Balance(), random=lambda: 0.5))
    await pool.start()
    await pool.close()
    assert not pool.ready()
    assert "A look-out for Tritons ended" in caplog.text
