"""Vectors → OpenAI's list of embeddings, as numbers or as base64 of little-endian float32.

It knows the object and its JSON. It must not know where vectors come from.
"""

from __future__ import annotations

from base64 import b64encode

from gateway.core.pooling import Vectors
from gateway.core.reply.wire import dumps


def embedding_list(vectors: Vectors, *, model: str, tokens: int | None, base64: bool) -> bytes:
    """The body. Without ``usage`` where tokens were not counted: a count is never invented."""
    head = '{"object":"list","data":['
    tail = f'],"model":{dumps(model)}'
    if tokens is not None:
        tail += f',"usage":{dumps({"prompt_tokens": tokens, "total_tokens": tokens})}'
    # Nine digits are what tells any two float32 apart; the interpreter's own repr of a double has 17 and takes three
    # times as long. Row by row, so that other threads get their turn.
    digits = ",".join(["%.9g"] * vectors.shape[1])
    rows = []
    for index, vector in enumerate(vectors):
        value = f'"{b64encode(vector.astype("<f4").tobytes()).decode()}"' if base64 else _numbers(digits, vector)
        rows.append(f'{{"object":"embedding","index":{index},"embedding":{value}}}')
    return f"{head}{','.join(rows)}{tail}}}".encode()


def _numbers(digits: str, vector: Vectors) -> str:
    return f"[{digits % tuple(vector.tolist())}]"
