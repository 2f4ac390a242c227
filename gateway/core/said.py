"""What responses of a model were found to say, kept for all requests to it: few tokens make most of all text.

In the middle of a plain answer a token's delta depends on nothing but the token. It is made once, with all that this
takes: numbers, bytes, characters, parts. From then on a look into a table is enough. It must not know what is told by a
response, nor when that depends on more: whoever keeps a delta says that it does not, for any answer that is read so.
"""

from __future__ import annotations

from gateway.core.tensors import Described
from gateway.core.types import Delta

MOST = 16_384  # deltas of outputs of one kind: some megabytes
MOST_KINDS = 16  # of outputs; shapes may differ for ever
LARGEST = 64  # bytes of contents

Contents = tuple[bytes, ...]
Deltas = dict[Contents, Delta]


class Said:
    """Of one tokenizer."""

    __slots__ = ("_kinds",)

    def __init__(self) -> None:
        self._kinds: dict[tuple[Described, ...], Deltas] = {}

    def of(self, described: tuple[Described, ...]) -> Deltas:
        """The deltas of outputs of this kind by their contents, to be looked into for every token."""
        deltas = self._kinds.get(described)
        if deltas is None:
            if len(self._kinds) >= MOST_KINDS:
                self._kinds.clear()
            deltas = self._kinds[described] = {}
        return deltas


def keep(deltas: Deltas, contents: Contents, delta: Delta) -> None:
    """For the next time. It is not kept where it is large."""
    if sum(map(len, contents)) <= LARGEST:
        if len(deltas) >= MOST:
            deltas.clear()
        deltas.setdefault(contents, delta)
