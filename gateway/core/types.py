"""The values that travel through the gateway, one type per step. Nothing here knows HTTP, Triton or a clock.

``Generate`` is valid by construction (``core.prompt`` builds it from a checked request); the steps after it trust it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True, slots=True)
class Prompt:
    """The rendered prompt, as text and as token ids of the same tokenizer."""

    text: str
    ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is chosen, with OpenAI's meanings and ranges. ``None``: the engine's neutral value.

    ``greedy`` is said once, here: engines disagree about a temperature of 0.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0  # 0: all tokens
    seed: int = 0  # unsigned 64 bit
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    repetition_penalty: float | None = None
    min_tokens: int | None = None
    asked: frozenset[str] = frozenset()  # the fields the client set: these may not be lost on the way

    @property
    def greedy(self) -> bool:
        """True where sampling is the most probable token. Below 1e-5 a temperature overflows half precision."""
        return self.temperature <= 1e-5 or self.top_p == 0.0 or self.top_k == 1


@dataclass(frozen=True, slots=True)
class Generate:
    """One generation: everything an engine and the pipeline after it need to know."""

    id: str  # unique among requests in flight; Triton's request id
    model: str
    prompt: Prompt
    max_tokens: int
    end_ids: tuple[int, ...]  # every id that ends generation, the chat end first
    sampling: Sampling = field(default_factory=Sampling)
    stop: tuple[str, ...] = ()  # matched on text, trimmed


@dataclass(frozen=True, slots=True)
class Piece:
    """What one response of the engine brought. Either ``ids`` or ``text``, never both; ``final`` ends the stream."""

    ids: tuple[int, ...] | None = None
    text: str | None = None
    final: bool = False


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts. Of generated tokens, the one that ended generation is not counted (TensorRT-LLM's rule)."""

    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True, slots=True)
class Finish:
    """Why and with what counts a generation ended."""

    reason: FinishReason
    usage: Usage


@dataclass(frozen=True, slots=True)
class Delta:
    """New text for the client, possibly empty. The last one of a generation carries ``finish``."""

    text: str
    finish: Finish | None = None


class TokenTable(Protocol):
    """id → the bytes it stands for; empty for control tokens. Index beyond ``len``: no such token."""

    def __getitem__(self, index: int, /) -> bytes: ...

    def __len__(self) -> int: ...


class Tokenizer(Protocol):
    """What core needs of a tokenizer. ``gateway.tokenizer`` satisfies it."""

    @property
    def table(self) -> TokenTable: ...

    def render(self, messages: Sequence[dict[str, object]]) -> str:
        """The chat template's prompt, ready for generation. RequestError where the template refuses."""
        ...

    def encode(self, text: str) -> list[int]:
        """Token ids; control tokens in ``text`` are control, and none is added."""
        ...

    def token(self, id: int) -> str:
        """The token's name in the vocabulary, for engines that take words instead of ids."""
        ...
