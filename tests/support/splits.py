"""Every way that matters to cut a sequence: what an incremental part says must not depend on it."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import TypeVar

S = TypeVar("S", bound=Sequence[object])


def every_split(whole: S, *, seed: int = 20240607, cuts: int = 20) -> Iterator[list[S]]:
    """The sequence whole, item by item, cut in two at every place, and cut at random (the seed makes it repeatable)."""
    yield [whole]
    yield [whole[i : i + 1] for i in range(len(whole))]
    for at in range(len(whole) + 1):
        yield [whole[:at], whole[at:]]
    generator = random.Random(seed)
    for _ in range(cuts):
        places = sorted(generator.choices(range(len(whole) + 1), k=generator.randint(1, 6)))
        yield [whole[a:b] for a, b in zip([0, *places], [*places, len(whole)], strict=True)]
