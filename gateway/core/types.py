"""The values that travel through the gateway, one type per step. Nothing here knows HTTP, Triton or a clock.

What is made for every token is a tuple by name: it costs half of a frozen dataclass.

``Generate`` is valid by construction (``core.prompt`` builds it from a checked request); the steps after it trust it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol

FinishReason = Literal["stop", "length", "tool_calls"]
GuideKind = Literal["json", "json_schema", "regex", "ebnf_grammar", "structural_tag"]
Thinking = Literal["off", "maybe", "inside"]  # where an answer begins: no thinking, before <think>, after it
CallStyle = Literal["hermes", "xml"]


@dataclass(frozen=True, slots=True)
class Prompt:
    """The prompt, as text and as token ids of the same tokenizer.

    ``exact`` is False where ``text``, tokenized by somebody else, would not give ``ids``: a user wrote a control token,
    which is text here and would be control there, or the client sent ids.
    """

    text: str
    ids: tuple[int, ...]
    exact: bool = True


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is chosen, with OpenAI's meanings and ranges. ``None``: the engine's neutral value.

    ``greedy`` is said once, here: engines disagree about a temperature of 0.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0  # 0: all tokens
    min_p: float | None = None
    seed: int = 0  # unsigned 64 bit
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    repetition_penalty: float | None = None
    min_tokens: int | None = None
    logit_bias: tuple[tuple[int, float], ...] = ()  # token id and what is added to its logit, -100 to 100
    bad_words: tuple[str, ...] = ()  # texts that must not be generated
    asked: frozenset[str] = frozenset()  # the fields the client set: these may not be lost on the way

    @property
    def greedy(self) -> bool:
        """True where sampling is the most probable token. Below 1e-5 a temperature overflows half precision."""
        return self.temperature <= 1e-5 or self.top_p == 0.0 or self.top_k == 1


@dataclass(frozen=True, slots=True)
class Guide:
    """What the engine's guided decoding must hold the answer to. ``kind`` and ``value`` are TensorRT-LLM's guide type
    and guide; ``field`` is the request's field that asked for it."""

    kind: GuideKind
    value: str
    field: str


@dataclass(frozen=True, slots=True)
class Adapter:
    """A LoRA that clients name like a model. ``task_id``: what the engine knows it by."""

    name: str
    task_id: int


@dataclass(frozen=True, slots=True)
class Reading:
    """How an answer is to be read. ``calls`` None: ``<tool_call>`` is text. ``prefill``: the beginning of the answer
    that is in the prompt already. ``tools``: function name → JSON schema of its parameters."""

    thinking: Thinking = "off"
    calls: CallStyle | None = None
    tools: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    parallel: bool = True
    named: bool = False  # the client named the function: OpenAI then ends with "stop"
    prefill: str = ""


PLAIN = Reading()


@dataclass(frozen=True, slots=True)
class Generate:
    """One generation: everything an engine and the pipeline after it need to know."""

    id: str  # unique among requests in flight; Triton's request id
    model: str
    prompt: Prompt
    max_tokens: int
    end_ids: tuple[int, ...]  # every id that ends generation, the chat end first; empty: nothing but the limit ends it
    sampling: Sampling = field(default_factory=Sampling)
    stop: tuple[str, ...] = ()  # matched on text
    include_stop: bool = False  # whether the matched stop string stays in the text
    choice: int = 0  # index of the answer, where a client asked for several
    logprobs: bool = False
    running_usage: bool = False  # whether every delta counts tokens
    guide: Guide | None = None
    adapter: Adapter | None = None
    vocab_size: int | None = None  # of the engine's logits; None: not configured
    reading: Reading = PLAIN


# How named tuples are made where there is one for every token: their own ``__new__`` is a function of Python's.
made = tuple.__new__


class Piece(NamedTuple):
    """What one response of the engine brought. Either ``ids`` or ``text``, never both; ``final`` ends the stream.

    ``logprobs``: one natural logarithm for each id, where the engine was asked for them. ``cached_tokens``: tokens of
    the prompt that the engine took from its cache, where it says so."""

    ids: tuple[int, ...] | None = None
    text: str | None = None
    final: bool = False
    logprobs: tuple[float, ...] | None = None
    cached_tokens: int | None = None
    reason: FinishReason | None = None


@dataclass(frozen=True, slots=True)
class Content:
    """Text of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class Reasoning:
    """Text of the model's thinking, without its tags."""

    text: str


@dataclass(frozen=True, slots=True)
class CallStart:
    """A tool call begins. ``index`` counts the calls of one answer from 0; ``id`` is unique, ``name`` whole."""

    index: int
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class CallArguments:
    """More of the arguments of call ``index``: a slice of JSON text, as the model wrote it."""

    index: int
    text: str


Part = Content | Reasoning | CallStart | CallArguments


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """A generated token: its text (U+FFFD for bytes that are no character alone), its exact bytes, and its natural
    log-probability."""

    token: str
    bytes: bytes
    logprob: float


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts; None: not known. Of generated tokens, the one that ended generation is not counted (TensorRT-LLM's
    rule). ``reasoning_tokens`` are part of ``completion_tokens``, ``cached_tokens`` of ``prompt_tokens``."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Finish:
    """Why and with what counts a generation ended. ``stopped_by``: the stop string of the client that ended it."""

    reason: FinishReason
    usage: Usage
    stopped_by: str | None = None


class Delta(NamedTuple):
    """What is new for the client, possibly nothing: parts in their order. The last delta of a choice has ``finish``.

    ``choice`` is the index of the answer it belongs to, where ``n`` asked for several. ``usage`` counts so far.
    """

    parts: tuple[Part, ...] = ()
    finish: Finish | None = None
    logprobs: tuple[TokenLogprob, ...] = ()
    choice: int = 0
    usage: Usage | None = None


class Parser(Protocol):
    """An answer's text → parts, incrementally: ``push`` as it comes, ``flush`` once at the end. Linear, and any split
    of the text gives the same parts once neighbours of a kind are joined."""

    @property
    def reasoning(self) -> bool:
        """Whether what comes next is thinking."""
        ...

    @property
    def called(self) -> bool:
        """Whether a tool call came out."""
        ...

    @property
    def done(self) -> bool:
        """Whether nothing more is wanted: generation should end."""
        ...

    @property
    def thought(self) -> bool:
        """Whether thinking is over, or never was, for the rest of the answer."""
        ...

    def push(self, text: str) -> list[Part]: ...

    def flush(self) -> list[Part]: ...


class TokenTable(Protocol):
    """id → the bytes it stands for; empty for control tokens. Index beyond ``len``: no such token."""

    def __getitem__(self, index: int, /) -> bytes: ...

    def __len__(self) -> int: ...


@dataclass(frozen=True, slots=True)
class ChatInput:
    """What a chat template renders. Messages are as templates want them: ``core.history`` makes them so.

    Messages: role and content (text), and where present ``reasoning_content``, ``tool_calls`` (arguments as mappings),
    ``tool_call_id``, ``name``. ``options``: further variables of the template, such as ``enable_thinking``.
    """

    messages: tuple[Mapping[str, Any], ...]
    tools: tuple[Mapping[str, Any], ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    continue_final: bool = False  # the last message, an assistant's, is to be continued
    generation_prompt: bool = True


class Tokenizer(Protocol):
    """What core needs of a tokenizer. ``gateway.tokenizer`` satisfies it."""

    @property
    def table(self) -> TokenTable: ...

    @property
    def variables(self) -> frozenset[str]:
        """Names that the chat template reads, such as ``enable_thinking`` or ``tools``; ``reasoning_content`` where it
        reads that from messages."""
        ...

    @property
    def thinks(self) -> bool:
        """Whether the chat template knows thinking between ``<think>`` and ``</think>``."""
        ...

    @property
    def call_style(self) -> CallStyle | None:
        """How the chat template teaches the model to call tools; None: not at all."""
        ...

    def chat(self, chat: ChatInput) -> Prompt:
        """The chat template's prompt. Control tokens inside of messages stay text. RequestError where it refuses."""
        ...

    def encode(self, text: str) -> list[int]:
        """Token ids; control tokens in ``text`` are control, and none is added."""
        ...

    def token(self, id: int) -> str:
        """The token's name in the vocabulary, for engines that take words instead of ids."""
        ...
