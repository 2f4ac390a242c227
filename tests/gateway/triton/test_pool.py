"""A pool on what fails beneath it. Fail-over and stalls are tried on real Tritons, in ``test_failover`` and
``test_discovered``."""

from __future__ import annotations

import pytest

from gateway.core.balance import Balance, Fleet, Work
from gateway.core.errors import SettingsError, UpstreamUnavailable
from gateway.core.tensors import ModelSignature
from gateway.triton.discovery import source
from gateway.triton.pool import Pool
from gateway.triton.probe import Asked


class Well:
    """A backend whose Triton is well. ``closed`` says that it was closed."""

    def __init__(self) -> None:
        self.closed = False

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
        return "2.51.0"

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
