"""Responses to one request → pieces. Undoes cumulative text and log-probabilities, and echoed prompts.

It knows the outputs of TensorRT-LLM's models. It must not know what becomes of a piece.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from struct import Struct

from gateway.core.errors import UpstreamError
from gateway.core.routes.tables import Route
from gateway.core.tensors import Described, Response, Tensor, layout_of
from gateway.core.types import FinishReason, Generate, Piece, Tokenizer, made

_ANY = 2**63
_INTEGERS = frozenset({"INT32", "INT64", "UINT32"})


@dataclass(frozen=True, slots=True)
class Outputs:
    """What a bound model's responses look like. ``ids``: answers are token ids, else text."""

    route: Route
    model: str
    ids: bool
    decoupled: bool
    cumulative: bool
    excludes_prompt: bool
    logprobs: bool
    cached: bool
    tokens_per_block: int
    reason: bool = False


class Decoder:
    """Push each response of one request; the final one may bring nothing."""

    __slots__ = (
        "_at",
        "_described",
        "_generate",
        "_ids",
        "_layout",
        "_may_echo",
        "_most",
        "_outputs",
        "_sent",
        "_sizes",
        "_sizes_at",
        "_tokenizer",
        "_told",
        "alike",
    )

    def __init__(self, outputs: Outputs, generate: Generate, tokenizer: Tokenizer) -> None:
        self._outputs = outputs
        self._generate = generate
        self._tokenizer = tokenizer
        self._sent = 0
        self._told = 0
        self._ids = outputs.route.ids if outputs.ids else None  # the output's name
        self._described: tuple[Described, ...] | None = None  # the outputs of the last response, …
        self._at: int | None = None  # … which of them are the ids, …
        self._layout: Struct | None = None  # … packed like this, …
        self._sizes_at: int | None = None  # … and which their lengths
        self._sizes: bytes | None = None  # the lengths that came last …
        self._most = _ANY  # … and how many ids they say there are
        # Engines put the prompt in front of an answer that is not streamed, unless told otherwise.
        self._may_echo = not outputs.decoupled and not outputs.excludes_prompt
        # Whether a response says the same whatever the request and what came before.
        self.alike = outputs.ids and not self._may_echo and not generate.logprobs and not outputs.cached

    def push(self, response: Response) -> Piece:
        """The piece in one response. UpstreamError where a tensor is malformed."""
        described, contents, final = response
        ids: tuple[int, ...] = ()
        logprobs = cached = None
        try:
            if self._ids is None:
                return self._by_text(response.outputs, final)
            if described is not self._described:
                self._described, self._sizes, self._most = described, None, _ANY
                self._at, self._layout, self._sizes_at = _found(described, self._ids, self._outputs.route.lengths)
            if self._at is not None:
                data = contents[self._at]
                if self._layout is None or self._layout.size != len(data):
                    ids = tuple(map(int, response.outputs[self._ids].numbers()))  # or it says what is wrong
                else:
                    ids = self._layout.unpack(data)
                if self._sizes_at is not None and contents[self._sizes_at] != self._sizes:
                    self._sizes = contents[self._sizes_at]
                    counts = response.outputs[self._outputs.route.lengths].numbers()
                    self._most = int(counts[0]) if counts else _ANY
                if self._most < len(ids):
                    ids = ids[: self._most]
                if self._may_echo:
                    prompt = self._generate.prompt.ids
                    if ids[: len(prompt)] == prompt:
                        ids = ids[len(prompt) :]
            if self._generate.logprobs:
                logprobs = self._logprobs(response.outputs.get(self._outputs.route.logprobs), len(ids))
            if self._outputs.cached:
                cached = self._cached(response.outputs)
        except ValueError as exc:
            raise UpstreamError(f"Triton model '{self._outputs.model}' sent a malformed tensor: {exc}.") from exc
        return made(Piece, (ids, None, final, logprobs, cached, None))

    def _by_text(self, outputs: Mapping[str, Tensor], final: bool) -> Piece:
        output = outputs.get(self._outputs.route.text or "")
        texts = () if output is None else output.strings()
        text = self._text(texts[0].decode("utf-8", "replace"), final) if texts else ""
        cached = self._cached(outputs) if self._outputs.cached else None
        return Piece(text=text, final=final, cached_tokens=cached, reason=self._reason(outputs))

    def _logprobs(self, output: Tensor | None, count: int) -> tuple[float, ...] | None:
        """Those of the ``count`` new ids: the output holds all tokens so far (TensorRT-LLM, v0.10 to v0.16), or the new
        ones alone."""
        if not count:
            return ()
        if output is None:
            return None
        values = tuple(map(float, output.numbers()))
        self._told += count
        if len(values) >= self._told:
            return values[self._told - count : self._told]
        return values[-count:] if len(values) >= count else None

    def _reason(self, outputs: Mapping[str, Tensor]) -> FinishReason | None:
        """Why it ended, in our words. The model says it in Python's: ``length``, ``stop``, or nothing yet."""
        output = outputs.get(self._outputs.route.reason or "") if self._outputs.reason else None
        said = b"" if output is None else b"".join(output.strings()).lower()
        return "length" if b"length" in said else "stop" if b"stop" in said else None

    def _cached(self, outputs: Mapping[str, Tensor]) -> int | None:
        """Tokens of the prompt that were in the cache: whole blocks, and never the last token, which is computed."""
        output = outputs.get(self._outputs.route.reused_blocks)
        values = () if output is None else output.numbers()
        if not values:
            return None
        return min(int(values[0]) * self._outputs.tokens_per_block, len(self._generate.prompt.ids) - 1)

    def _text(self, text: str, final: bool) -> str:
        if self._outputs.cumulative:
            # A character that is not complete yet shows as U+FFFD at the end and changes with the next response.
            stable = text if final else text.rstrip("\ufffd")
            fresh, self._sent = stable[self._sent :], max(self._sent, len(stable))
            return fresh
        if self._may_echo:
            table = self._tokenizer.table
            echo = b"".join(table[id] for id in self._generate.prompt.ids)
            return text.removeprefix(echo.decode("utf-8", "replace"))
        return text


@lru_cache(maxsize=1024)
def _found(described: tuple[Described, ...], ids: str, lengths: str) -> tuple[int | None, Struct | None, int | None]:
    """Where among the outputs ids and lengths are, and how ids are packed if they are integers. What comes last of a
    name counts."""
    places = {name: place for place, (name, _, _) in enumerate(described)}
    at = places.get(ids)
    _, datatype, shape = ("", "", ()) if at is None else described[at]
    return at, layout_of(datatype, shape) if datatype in _INTEGERS else None, places.get(lengths)


def joined(pieces: Sequence[Piece]) -> Piece:
    """Pieces of one answer that came together as one, which says the same. At least one."""
    last = pieces[-1]
    logprobs = [value for piece in pieces for value in piece.logprobs or ()]
    return Piece(
        ids=None if last.ids is None else tuple(id for piece in pieces for id in piece.ids or ()),
        text=None if last.text is None else "".join([piece.text or "" for piece in pieces]),
        final=last.final,
        logprobs=tuple(logprobs) if logprobs else last.logprobs,
        cached_tokens=next((p.cached_tokens for p in reversed(pieces) if p.cached_tokens is not None), None),
        reason=next((piece.reason for piece in reversed(pieces) if piece.reason is not None), None),
    )
