"""The shapes of Triton models that can answer: Generate → tensors, outputs → Piece. The only place with tensor names.

A ``Route`` is a table: one row per input, with its names, newest first, because releases rename tensors. ``bind`` reads
what a model declares (its ModelConfig) and picks the names that exist; there is no list of versions anywhere. A field
that the client asked for and the model has no input for is refused by name, never dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from types import MappingProxyType
from typing import Literal

from gateway.core.errors import UnsupportedField, UpstreamError
from gateway.core.tensors import ModelSignature, Scalar, Tensor, TensorSpec
from gateway.core.types import Generate, Piece, Tokenizer

Value = Sequence[Scalar] | Sequence[bytes] | None


class BindError(UpstreamError):
    """The Triton model is not of this route's shape. The text says what it lacks."""


@dataclass(frozen=True, slots=True)
class Input:
    """One row of a route: where a value comes from and what the tensor may be called. None: nothing to send."""

    field: str
    names: tuple[str, ...]
    value: Callable[[Generate, Tokenizer], Value]
    required: bool = False
    neutral: Scalar | None = None  # the value that means the same as leaving the field out


@dataclass(frozen=True, slots=True)
class Route:
    """One shape of Triton model."""

    name: Literal["direct", "ensemble", "bls"]
    inputs: tuple[Input, ...]
    streaming: str  # the input that asks for a stream
    ids: str = "output_ids"
    lengths: str = "sequence_length"
    text: str | None = None


def _sampled(field: str) -> Callable[[Generate, Tokenizer], Value]:
    """Temperature, top_p and seed: sent when sampling, left out when greedy, where engines disagree about them."""
    return lambda generate, _: None if generate.sampling.greedy else [getattr(generate.sampling, field)]


def _optional(field: str) -> Callable[[Generate, Tokenizer], Value]:
    def value(generate: Generate, _: Tokenizer) -> Value:
        given: Scalar | None = getattr(generate.sampling, field)
        return None if given is None else [given]

    return value


def _top_p(generate: Generate, _: Tokenizer) -> Value:
    # Just under 1 has tripped assertions in TensorRT-LLM, where 1 was meant.
    top_p = generate.sampling.top_p
    return None if generate.sampling.greedy else [1.0 if top_p > 0.99999 else top_p]


def _end_word_list(generate: Generate, _: Tokenizer) -> Value:
    """The other end ids as a stop word list: row 0 the ids, row 1 where each word ends."""
    others = generate.end_ids[1:]
    return [*others, *range(1, len(others) + 1)] if others else None


def _end_words(generate: Generate, tokenizer: Tokenizer) -> Value:
    return [tokenizer.token(id).encode() for id in generate.end_ids[1:]] or None


# Greedy is said as top_k 1 alone. Sampling says temperature, top_p and top_k: without the last two TensorRT-LLM is
# greedy whatever the temperature, and without a seed it starts every request from the same one.
def _sampling(top_k: str, top_p: str) -> tuple[Input, ...]:
    return (
        Input("top_k", (top_k,), lambda g, _: [1 if g.sampling.greedy else g.sampling.top_k], neutral=0),
        Input("top_p", (top_p,), _top_p, neutral=1.0),
        Input("temperature", ("temperature",), _sampled("temperature"), neutral=1.0),
        Input("seed", ("seed", "random_seed"), _sampled("seed")),
        Input("frequency_penalty", ("frequency_penalty",), _optional("frequency_penalty"), neutral=0.0),
        Input("presence_penalty", ("presence_penalty",), _optional("presence_penalty"), neutral=0.0),
        Input("repetition_penalty", ("repetition_penalty",), _optional("repetition_penalty"), neutral=1.0),
        Input("min_tokens", ("min_tokens", "min_length"), _optional("min_tokens"), neutral=0),
        Input("end_id", ("end_id",), lambda g, _: g.end_ids[:1] or None),
        Input("pad_id", ("pad_id",), lambda g, _: g.end_ids[:1] or None),
        Input("exclude_prompt", ("exclude_input_in_output",), lambda g, _: [True]),
    )


_TEXT = (
    Input("prompt", ("text_input",), lambda g, _: [g.prompt.text.encode()], required=True),
    Input("max_tokens", ("max_tokens",), lambda g, _: [g.max_tokens], required=True),
    Input("end_words", ("stop_words",), _end_words),
    *_sampling("top_k", "top_p"),
)
DIRECT = Route(
    "direct",
    (
        Input("prompt", ("input_ids",), lambda g, _: g.prompt.ids, required=True),
        Input("prompt_length", ("input_lengths",), lambda g, _: [len(g.prompt.ids)]),
        Input("max_tokens", ("request_output_len",), lambda g, _: [g.max_tokens], required=True),
        Input("end_words", ("stop_words_list",), _end_word_list),
        *_sampling("runtime_top_k", "runtime_top_p"),
    ),
    streaming="streaming",
)
ENSEMBLE = Route("ensemble", _TEXT, streaming="stream", text="text_output")
BLS = Route("bls", _TEXT, streaming="stream", text="text_output")

# In the order in which "auto" tries them: exact ids first, and as little as possible between engine and gateway.
ROUTES: Mapping[str, Route] = MappingProxyType({route.name: route for route in (DIRECT, ENSEMBLE, BLS)})


@dataclass(frozen=True, slots=True)
class Bound:
    """A route bound to what one Triton model declares. ``ids``: answers are token ids, else text."""

    route: Route
    model: str
    rows: tuple[tuple[Input, TensorSpec | None], ...]
    streaming: TensorSpec | None
    ids: bool
    decoupled: bool
    batched: bool
    cumulative: bool
    excludes_prompt: bool

    @property
    def wanted(self) -> tuple[str, ...]:
        """The outputs to ask for. Text also where ids are read: an ensemble that is asked for outputs of a middle step
        alone answers nothing (seen on Triton 2.51)."""
        ids = (self.route.ids, self.route.lengths) if self.ids else ()
        return ids if self.route.text is None else (*ids, self.route.text)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What an operator should know about this binding."""
        remarks = []
        if not self.ids:
            remarks.append(
                f"Triton model '{self.model}' answers in text only: characters are as good as its postprocessing makes "
                "them, and tokens are counted from the text. Route 'direct' is exact."
            )
        if not self.decoupled and self.route is not ENSEMBLE:
            remarks.append(f"Triton model '{self.model}' is not decoupled: every answer arrives in one piece.")
        return tuple(remarks)

    def encode(self, generate: Generate, tokenizer: Tokenizer) -> list[Tensor]:
        """The request's tensors. UnsupportedField where the model has no input for a field the client asked for."""
        tensors: list[Tensor] = []
        for row, spec in self.rows:
            value = row.value(generate, tokenizer)
            if value is None:
                continue
            if spec is not None:
                tensors.append(self._tensor(spec, value))
            elif row.field in generate.sampling.asked and value[0] != row.neutral:
                raise UnsupportedField(
                    f"'{row.field}' cannot be honoured: the Triton model '{self.model}' (route {self.route.name}) has "
                    f"no input {' or '.join(row.names)}. Leave the field out, or use a route whose model has it.",
                    param=row.field,
                )
        if self.streaming is not None:  # always said: leaving it out has crashed executors
            tensors.append(self._tensor(self.streaming, [self.decoupled]))
        return tensors

    def _tensor(self, spec: TensorSpec, value: Sequence[Scalar] | Sequence[bytes]) -> Tensor:
        """The value in the declared shape: the one free dimension takes what is left, a batch of one goes in front."""
        fixed = prod(dim for dim in spec.dims if dim >= 0)
        shape = tuple(len(value) // fixed if dim < 0 else dim for dim in spec.dims)
        if self.batched:
            shape = (1, *shape)
        if spec.datatype == "BYTES":
            return Tensor.of_bytes(spec.name, shape, [v for v in value if isinstance(v, bytes)])
        return Tensor.of(spec.name, spec.datatype, shape, [v for v in value if not isinstance(v, bytes)])

    def decoder(self, generate: Generate, tokenizer: Tokenizer) -> Decoder:
        """A decoder for the responses to one request."""
        return Decoder(self, generate, tokenizer)


class Decoder:
    """Responses to one request → pieces. Undoes cumulative text and echoed prompts."""

    __slots__ = ("_bound", "_generate", "_sent", "_tokenizer")

    def __init__(self, bound: Bound, generate: Generate, tokenizer: Tokenizer) -> None:
        self._bound = bound
        self._generate = generate
        self._tokenizer = tokenizer
        self._sent = 0

    def push(self, outputs: Mapping[str, Tensor], final: bool) -> Piece:
        """The piece in one response; the final one may bring nothing. UpstreamError where a tensor is malformed."""
        route = self._bound.route
        try:
            if self._bound.ids:
                return Piece(ids=self._ids(outputs.get(route.ids), outputs.get(route.lengths)), final=final)
            output = outputs.get(route.text or "")
            texts = () if output is None else output.strings()
        except ValueError as exc:
            raise UpstreamError(f"Triton model '{self._bound.model}' sent a malformed tensor: {exc}.") from exc
        if not texts:
            return Piece(text="", final=final)
        return Piece(text=self._text(texts[0].decode("utf-8", "replace"), final), final=final)

    def _ids(self, output: Tensor | None, lengths: Tensor | None) -> tuple[int, ...]:
        if output is None:
            return ()
        ids = tuple(map(int, output.numbers()))
        counts = () if lengths is None else lengths.numbers()
        if counts:
            ids = ids[: int(counts[0])]
        prompt = self._generate.prompt.ids
        if self._may_echo and ids[: len(prompt)] == prompt:
            ids = ids[len(prompt) :]
        return ids

    def _text(self, text: str, final: bool) -> str:
        if self._bound.cumulative:
            # A character that is not complete yet shows as U+FFFD at the end and changes with the next response.
            stable = text if final else text.rstrip("\ufffd")
            fresh, self._sent = stable[self._sent :], max(self._sent, len(stable))
            return fresh
        if self._may_echo:
            table = self._tokenizer.table
            echo = b"".join(table[id] for id in self._generate.prompt.ids)
            return text.removeprefix(echo.decode("utf-8", "replace"))
        return text

    @property
    def _may_echo(self) -> bool:
        """Engines put the prompt in front of an answer that is not streamed, unless told otherwise."""
        return not self._bound.decoupled and not self._bound.excludes_prompt


def bind(route: Route, signature: ModelSignature) -> Bound:
    """The route on this model. BindError where it lacks what the route needs, or demands what it does not know."""
    rows = tuple(
        (row, next((spec for name in row.names if (spec := signature.input(name))), None)) for row in route.inputs
    )
    missing = [" or ".join(row.names) for row, spec in rows if row.required and spec is None]
    ids = signature.output(route.ids) is not None and signature.output(route.lengths) is not None
    if not ids and (route.text is None or signature.output(route.text) is None):
        missing.append(route.text or route.ids)
    if missing:
        raise BindError(
            f"Triton model '{signature.name}' does not fit route '{route.name}': it has no {', no '.join(missing)}. "
            "Set another route or another Triton model name in gateway.toml."
        )
    streaming = signature.input(route.streaming)
    known = {spec.name for _, spec in rows if spec} | {route.streaming}
    unknown = [spec.name for spec in signature.inputs if not spec.optional and spec.name not in known]
    if unknown:
        raise BindError(
            f"Triton model '{signature.name}' demands the input {', '.join(unknown)}, which route '{route.name}' does "
            "not know. Set another route or another Triton model name in gateway.toml."
        )
    return Bound(
        route=route,
        model=signature.name,
        rows=rows,
        streaming=streaming,
        ids=ids,
        decoupled=signature.decoupled,
        batched=signature.max_batch_size > 0,
        cumulative=not ids and _true(signature.parameter("accumulate_tokens")),
        excludes_prompt=_true(signature.parameter("exclude_input_in_output"))
        or signature.input("exclude_input_in_output") is not None,
    )


def stop_tensors(engine: ModelSignature) -> tuple[Tensor, ...]:
    """What, sent to the engine under a running request's id, ends that request; empty where it has no ``stop``."""
    if engine.input("stop") is None:
        return ()
    batch = (1,) if engine.max_batch_size > 0 else ()
    demanded = [spec for spec in engine.inputs if not spec.optional]
    shapes = {spec.name: (*batch, *(1 if dim < 0 else dim for dim in spec.dims)) for spec in demanded}
    return (
        *(Tensor.of(spec.name, spec.datatype, shapes[spec.name], [1] * prod(shapes[spec.name])) for spec in demanded),
        Tensor.of("stop", "BOOL", (*batch, 1), [True]),
    )


def _true(parameter: str | None) -> bool:
    return parameter is not None and parameter.strip().lower() in ("true", "1")
