"""A route on one Triton model: ``bind`` reads what the model declares (its ModelConfig) and picks the names that exist;
there is no list of versions anywhere. A field that the client asked for and the model has no input for is refused by
name, never dropped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import cast

from gateway.core.errors import RequestError, UnsupportedField, UpstreamError
from gateway.core.routes.decode import Decoder, Outputs
from gateway.core.routes.tables import BLS, ENSEMBLE, Input, Route, Value
from gateway.core.tensors import ModelSignature, Scalar, Tensor, TensorSpec
from gateway.core.types import Generate, Tokenizer

# The guide types of TensorRT-LLM's models where nobody says which (source: its guided decoding documentation).
GUIDES = ("json", "json_schema", "regex", "ebnf_grammar")


class BindError(UpstreamError):
    """The Triton model is not of this route's shape. The text says what it lacks."""


@dataclass(frozen=True, slots=True)
class Bound:
    """A route bound to what one Triton model declares. ``guides``: the guide types it takes. ``passes_id``: whether the
    engine knows a request by the id that this model is given."""

    route: Route
    model: str
    rows: tuple[tuple[Input, TensorSpec | None], ...]
    streaming: TensorSpec | None
    reuse: TensorSpec | None
    outputs: Outputs
    batched: bool
    guides: frozenset[str]
    passes_id: bool

    @property
    def decoupled(self) -> bool:
        return self.outputs.decoupled

    @property
    def ids(self) -> bool:
        """Whether answers are token ids, else text."""
        return self.outputs.ids

    def wanted(self, generate: Generate) -> tuple[str, ...]:
        """The outputs to ask for. Text also where ids are read: an ensemble that is asked for outputs of a middle step
        alone answers nothing (seen on Triton 2.51)."""
        route = self.route
        names = [route.ids, route.lengths] if self.outputs.ids else []
        if generate.logprobs:
            names.append(route.logprobs)
        if self.outputs.cached:
            names.append(route.reused_blocks)
        if route.text is not None:
            names.append(route.text)
        if self.outputs.reason and route.reason is not None:
            names.append(route.reason)
        return tuple(names)

    @property
    def unserved(self) -> tuple[str, ...]:
        """Fields of requests that this model has no input for."""
        fields = [row.field for row, spec in self.rows if spec is None and not row.required]
        if not self.outputs.logprobs and "logprobs" not in fields:
            fields.append("logprobs")
        return tuple(dict.fromkeys(fields))

    @property
    def remarks(self) -> tuple[str, ...]:
        """What an operator should know about this binding."""
        remarks = []
        if not self.ids and not self.route.cumulative:
            remarks.append(
                f"Triton model '{self.model}' answers in text only: characters are as good as its postprocessing makes "
                "them, and tokens are counted from the text. Route 'direct' is exact."
            )
        if not self.decoupled and self.route is not ENSEMBLE:
            remarks.append(f"Triton model '{self.model}' is not decoupled: every answer arrives in one piece.")
        return tuple(remarks)

    def encode(self, generate: Generate, tokenizer: Tokenizer) -> list[Tensor]:
        """The request's tensors. UnsupportedField where the model has no input for a field the client asked for."""
        tensors = [self._tensor(spec, value) for spec, value in self._values(generate, tokenizer)]
        if self.reuse is not None:
            tensors.append(self._tensor(self.reuse, [True]))
        if self.streaming is not None:  # always said: leaving it out has crashed executors
            tensors.append(self._tensor(self.streaming, [self.decoupled]))
        return tensors

    def check(self, generate: Generate, tokenizer: Tokenizer) -> None:
        """Refuses what ``encode`` would refuse."""
        for _ in self._values(generate, tokenizer):
            pass

    def _values(self, generate: Generate, tokenizer: Tokenizer) -> Iterator[tuple[TensorSpec, Value]]:
        if generate.logprobs and not self.outputs.logprobs:
            raise UnsupportedField(
                f"'logprobs' cannot be honoured: the Triton model '{self.model}' (route {self.route.name}) gives token "
                f"ids and {self.route.logprobs} only in part. Leave the field out, or use route direct.",
                param="logprobs",
            )
        for row, spec in self.rows:
            value = row.value(generate, tokenizer)
            if value is None:
                continue
            if spec is not None:
                yield spec, value
            elif self._asked(row, generate) and value[0] != row.neutral:
                raise UnsupportedField(
                    f"'{row.field}' cannot be honoured: the Triton model '{self.model}' (route {self.route.name}) has "
                    f"no input {' or '.join(row.names)}. Leave the field out, or use a route whose model has it.",
                    param=row.field,
                )

    def _asked(self, row: Input, generate: Generate) -> bool:
        return row.field in generate.sampling.asked or (row.field == "model" and generate.adapter is not None)

    def _tensor(self, spec: TensorSpec, value: Value) -> Tensor:
        shape = _shape(spec.dims, len(value), self.batched)
        if spec.datatype == "BYTES":
            return Tensor.of_bytes(spec.name, shape, cast(Sequence[bytes], value))
        return Tensor.of(spec.name, spec.datatype, shape, cast(Sequence[Scalar], value))

    def blamed(self, error: UpstreamError, generate: Generate) -> UpstreamError | RequestError:
        """The error as the client's, where the engine says that it is: Triton tells errors of a stream in words only,
        and the CPU engine's name the input. A guide that does not compile is seen nowhere but in the engine."""
        guide = generate.guide
        for row, spec in self.rows:
            if row.field == "guide" and guide is not None and spec is not None and spec.name in error.message:
                reason = error.message.rpartition(spec.name)[2].strip(" :.")
                return RequestError(f"Invalid '{guide.field}': {reason}.", param=guide.field)
        return error

    def decoder(self, generate: Generate, tokenizer: Tokenizer) -> Decoder:
        """A decoder for the responses to one request."""
        return Decoder(self.outputs, generate, tokenizer)


@lru_cache(maxsize=1024)
def _shape(dims: tuple[int, ...], count: int, batched: bool) -> tuple[int, ...]:
    """So many values in the declared shape: the one free dimension takes what is left, a batch of one goes in front."""
    fixed = prod(dim for dim in dims if dim >= 0)
    shape = tuple(count // fixed if dim < 0 else dim for dim in dims)
    return (1, *shape) if batched else shape


def bind(route: Route, signature: ModelSignature, *, tokens_per_block: int | None = None) -> Bound:
    """The route on this model. BindError where it lacks what the route needs, or demands what it does not know.

    ``tokens_per_block`` of the engine's KV cache, where cached tokens are to be told.
    """
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
    reuse = next((spec for name in route.reuse if (spec := signature.input(name))), None)
    cached = reuse is not None and signature.output(route.reused_blocks) is not None and tokens_per_block is not None
    return Bound(
        route=route,
        model=signature.name,
        rows=rows,
        streaming=streaming,
        reuse=reuse if cached else None,
        outputs=Outputs(
            route=route,
            model=signature.name,
            ids=ids,
            decoupled=signature.decoupled,
            cumulative=not ids and (route.cumulative or _true(signature.parameter("accumulate_tokens"))),
            excludes_prompt=_true(signature.parameter("exclude_input_in_output"))
            or any(row.field == "exclude_prompt" and spec is not None for row, spec in rows),
            # Without ids nobody can tell which token a log-probability belongs to.
            logprobs=ids and signature.output(route.logprobs) is not None,
            cached=cached,
            tokens_per_block=tokens_per_block or 0,
            reason=not ids and route.reason is not None and signature.output(route.reason) is not None,
        ),
        batched=signature.max_batch_size > 0,
        guides=_guides(signature),
        # NVIDIA's BLS gives its request to the engine no id; the builder's says that it hands on its own.
        passes_id=route is not BLS or _true(signature.parameter("passes_request_id")),
    )


def _guides(signature: ModelSignature) -> frozenset[str]:
    """The guide types a model takes: what it says itself, else TensorRT-LLM's where a backend for them is set."""
    if signature.input("guided_decoding_guide_type") is None:
        return frozenset()
    said = signature.parameter("guided_decoding_guide_types")
    if said is not None:
        return frozenset(kind.strip() for kind in said.split(",") if kind.strip())
    backend = signature.parameter("guided_decoding_backend")
    if backend is not None and (not backend or backend.startswith("${")):
        return frozenset()
    return frozenset(GUIDES)


def stop_tensors(engine: ModelSignature) -> tuple[Tensor, ...]:
    """What, sent to the engine under a running request's id, ends that request; empty where it has no ``stop``."""
    if engine.input("stop") is None:
        return ()
    batch = (1,) if engine.max_batch_size > 0 else ()
    demanded = [spec for spec in engine.inputs if not spec.optional]
    return (*(_any_value(spec, batch) for spec in demanded), Tensor.of("stop", "BOOL", (*batch, 1), [True]))


def _any_value(spec: TensorSpec, batch: tuple[int, ...]) -> Tensor:
    """A tensor that is only there because it must be."""
    shape = (*batch, *(1 if dim < 0 else dim for dim in spec.dims))
    if spec.datatype == "BYTES":
        return Tensor.of_bytes(spec.name, shape, [b"-"] * prod(shape))
    return Tensor.of(spec.name, spec.datatype, shape, [1] * prod(shape))


def _true(parameter: str | None) -> bool:
    return parameter is not None and parameter.strip().lower() in ("true", "1")
