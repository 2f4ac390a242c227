"""Runs the checks of one package in this process, and says how each went. It must not know any package."""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.support.watch import Watch, watching


@dataclass(frozen=True, slots=True)
class Gateways:
    """``url``: one with the scripted engine. ``dead``: one whose Triton is away. Every reply is watched."""

    url: str
    dead: str
    watch: Watch
    key: str = "none"


def run(version: str, checks: Mapping[str, Callable[[Gateways], None]]) -> None:
    """A line of JSON with the version, then one per check: its name, and what went wrong (null: nothing)."""
    print(json.dumps({"version": version}))
    with watching() as watch:
        gateways = Gateways(sys.argv[1], sys.argv[2], watch)
        for name, check in checks.items():
            wrong: str | None = None
            try:
                check(gateways)
            except Exception:  # a check may fail in any way; the next one runs all the same
                wrong = traceback.format_exc()
            violations = watch.take()
            if violations:
                wrong = "\n\n".join([wrong or "", *violations])
            print(json.dumps({"name": name, "wrong": wrong}), flush=True)
