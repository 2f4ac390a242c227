"""Checks of ``tests/sdk`` as checks of a client here. It knows both forms, and no package."""

from __future__ import annotations

import functools
from collections.abc import Callable

from tests.clients.programs.stage import Stage
from tests.sdk.running import Gateways
from tests.support.watch import watching


def sdk_check(check: Callable[[Gateways], None]) -> Callable[[Stage], None]:
    @functools.wraps(check)
    def run(stage: Stage) -> None:
        with watching() as watch:  # of its own: some checks count what it saw
            check(Gateways(stage.url, stage.dead, watch, stage.key))

    return run
