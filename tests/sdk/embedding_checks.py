"""What the real openai package must be able to read of embeddings; run like ``openai_checks``.

The gateway has a model ``texts``, which is not normalized, and ``counted``, which counts tokens.
"""

from __future__ import annotations

from collections.abc import Callable

import openai
import pytest

from tests.sdk.openai_checks import client
from tests.sdk.running import Gateways, run


def create(gateways: Gateways) -> None:
    """Without ``encoding_format`` the package asks for base64, and decodes it."""
    with client(gateways) as sdk:
        usual = sdk.embeddings.create(model="texts", input=["one", "聪明"])
        floats = sdk.embeddings.create(model="texts", input=["one", "聪明"], encoding_format="float")
    assert [vector.index for vector in usual.data] == [0, 1]
    for one, other in zip(usual.data, floats.data, strict=True):
        assert one.embedding == pytest.approx(other.embedding)
        assert len(one.embedding) > 1


def count(gateways: Gateways) -> None:
    with client(gateways) as sdk:
        reply = sdk.embeddings.create(model="counted", input="one two", dimensions=4)
    assert len(reply.data[0].embedding) == 4
    assert reply.usage.prompt_tokens == reply.usage.total_tokens > 0


def errors(gateways: Gateways) -> None:
    with client(gateways) as sdk, pytest.raises(openai.BadRequestError) as caught:
        sdk.embeddings.create(model="texts", input="")
    assert (caught.value.param, caught.value.type) == ("input", "invalid_request_error")


CHECKS: dict[str, Callable[[Gateways], None]] = {check.__name__: check for check in (create, count, errors)}

if __name__ == "__main__":
    run(openai.__version__, CHECKS)
