"""The vectors of the embedding engine: numbers that follow from token ids alone, so that tests can compute them too.

Causal, as Qwen is: a token's vector depends on the ids up to it and on nothing after. A text's ids are its UTF-8 bytes.
"""

from collections.abc import Sequence

import numpy as np

SIZE = 8


def token_vectors(ids: Sequence[int]) -> np.ndarray:
    """One vector for each id, (ids, SIZE)."""
    own = np.sin(np.outer(np.asarray(ids, np.float64) + 1, np.arange(1, SIZE + 1)))
    rows = []
    memory = np.zeros(SIZE)
    for row in own:
        memory = row + memory / 2
        rows.append(memory)
    return np.array(rows, np.float32)


def text_vector(text: str) -> np.ndarray:
    """The mean of its bytes' vectors, (SIZE,)."""
    return token_vectors(list(text.encode())).mean(axis=0)
