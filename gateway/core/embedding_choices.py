"""What may be chosen for an embedding model: how one vector is made of a vector for each token, and which sizes.

Settings are checked by it. It must not need numpy, which a gateway without embeddings does not load.
"""

from __future__ import annotations

from typing import Literal, get_args

Pooling = Literal["none", "last", "mean", "cls"]
POOLINGS: tuple[str, ...] = get_args(Pooling)
Sizes = range | tuple[int, ...]


def sizes(text: str) -> Sizes:
    """The sizes that a setting allows besides the model's own: "fixed", "32-1024" or "256, 512". ValueError."""
    if text == "fixed":
        return ()
    try:
        ends = [int(end) for end in text.split("-", 1)] if "-" in text else []
        found: Sizes = range(ends[0], ends[1] + 1) if ends else tuple(sorted({int(size) for size in text.split(",")}))
    except ValueError:
        found = ()
    if not found or found[0] < 1:
        raise ValueError(f'are {text!r}, but must be "fixed", a range as "32-1024", or a list as "256, 512"')
    return found
