"""Homes of sessions: consistent hashing, which needs no memory of sessions and agrees between gateways.

It knows names and addresses; it must not know loads or states: it gives the order in which to try. An endpoint that
comes or goes moves only the sessions that lie next to it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from hashlib import blake2b

_POINTS = 32  # of an endpoint of weight 1: shares differ by about a fifth
_MOST_POINTS = 320


def _hash(text: str) -> int:
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


class Ring:
    """Points of each address on a circle of hashes."""

    def __init__(self, weights: Mapping[str, float]) -> None:
        points = sorted(
            (_hash(f"{address}#{number}"), address)
            for address, weight in weights.items()
            for number in range(max(1, min(_MOST_POINTS, round(_POINTS * weight))))
        )
        self._hashes = [point for point, _ in points]
        self._addresses = [address for _, address in points]

    def homes(self, session: str, *, most: int = 3) -> Iterator[str]:
        """The addresses of a session, first choice first, each once."""
        count = len(self._hashes)
        start = bisect_left(self._hashes, _hash(session))
        seen: list[str] = []
        # So many steps at most: neighbours of one address stand beside each other only by chance.
        for step in range(min(count, 4 * most)):
            address = self._addresses[(start + step) % count]
            if address not in seen:
                seen.append(address)
                yield address
                if len(seen) == most:
                    return
