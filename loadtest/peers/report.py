"""Standings at each load as one table and as JSON. Pure: what is measured comes in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from loadtest.peers.peer import Load, Peer
from loadtest.peers.turns import Middle, Standing
from loadtest.summary import table

Results = Mapping[Load, Sequence[Standing]]


def rows(results: Results, peers: Sequence[Peer]) -> list[dict[str, object]]:
    """One for each front end, with the columns of each load; what has no figures has a reason instead."""
    found = []
    there = {standing.peer for standings in results.values() for standing in standings}
    for peer in (each for each in peers if each.name in there):
        standings = {load: _of(each, peer.name) for load, each in results.items()}
        row: dict[str, object] = {
            "front end": peer.name,
            "version": next((s.version for s in standings.values() if s.version), "") or "–",
        }
        for load, standing in standings.items():
            row |= _columns(load, standing.middle, _of(results[load], load.floor).middle)
        middles = [standing.middle for standing in standings.values() if standing.middle]
        row["RSS MiB"] = f"{max(middle.rss_mib for middle in middles):.0f}" if middles else "–"
        row["what it does for a token, or why there are no figures"] = _words(peer, standings)
        found.append(row)
    return found


def markdown(results: Results, peers: Sequence[Peer], *, runs: int, machine: str) -> str:
    """The table, with what it is of."""
    loads = "; ".join(f"{load.name}: {load.streams} streams of {load.tokens} tokens, {_pace(load)}" for load in results)
    words = f"Median of {runs}, in turns. {loads}. CPU: µs of the front end's own process for each token. {machine}"
    return f"{words}\n\n{table(rows(results, peers))}\n"


def document(results: Results, peers: Sequence[Peer], *, runs: int, machine: str) -> dict[str, Any]:
    """All that was measured."""
    return {
        "machine": machine,
        "runs": runs,
        "does": {peer.name: peer.does for peer in peers},
        "loads": [
            {"load": asdict(load), "front_ends": [standing.json() for standing in standings]}
            for load, standings in results.items()
        ],
    }


def _columns(load: Load, middle: Middle | None, floor: Middle | None) -> dict[str, object]:
    heads = [f"{load.name}: CPU", f"× {load.floor}", "frames/token", "TTFT p50/p99 ms", "gap p99 ms", "tokens/s"]
    keys = [heads[0], *(f"{head} ({load.name})" for head in heads[1:])]
    if middle is None:
        return dict.fromkeys(keys, "–")
    ratio = f"{middle.cpu_per_token / floor.cpu_per_token:.2f}" if floor and floor.cpu_per_token else "–"
    cells = [
        f"{middle.cpu_per_token:.1f}",
        ratio,
        f"{middle.frames_per_token:.2f}",
        f"{middle.ttft_p50:.0f}/{middle.ttft_p99:.0f}",
        f"{middle.gap_p99:.1f}",
        f"{middle.tokens_per_second:.0f}",
    ]
    return dict(zip(keys, cells, strict=True))


def _words(peer: Peer, standings: Mapping[Load, Standing]) -> str:
    """What it does; then every different reason, with its load where only one has it."""
    reasons: dict[str, list[str]] = {}
    for load, standing in standings.items():
        if standing.reason:
            reasons.setdefault(standing.reason, []).append(load.name)
    said = [
        reason if len(names) == len(standings) else f"{', '.join(names)}: {reason}" for reason, names in reasons.items()
    ]
    return "; ".join([peer.does, *said])


def _of(standings: Sequence[Standing], name: str) -> Standing:
    return next((standing for standing in standings if standing.peer == name), Standing(name))


def _pace(load: Load) -> str:
    if not load.pace.gap:
        return "as fast as they go"
    return f"{load.pace.gap * 1000:g} ms between them, " + (
        "all at once" if load.pace.steps else "each at its own moment"
    )
