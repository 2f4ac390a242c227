"""What TensorRT-LLM's models declare, a request to them, and what a route sends for one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gateway.core.routes import Route, bind
from gateway.core.tensors import ModelSignature, TensorSpec
from gateway.core.types import Generate, Prompt, Sampling
from tests.gateway.vocabulary import END, OTHER_END, Vocabulary

vocabulary = Vocabulary()


def spec(name: str, datatype: str = "INT32", dims: tuple[int, ...] = (1,), *, optional: bool = True) -> TensorSpec:
    return TensorSpec(name, datatype, dims, optional)


SAMPLING = (
    spec("temperature", "FP32"),
    spec("random_seed", "UINT64"),
    spec("frequency_penalty", "FP32"),
    spec("presence_penalty", "FP32"),
    spec("repetition_penalty", "FP32"),
    spec("min_length"),
    spec("end_id"),
    spec("pad_id"),
)
ENGINE = ModelSignature(
    name="tensorrt_llm",
    inputs=(
        spec("input_ids", dims=(-1,), optional=False),
        spec("input_lengths", optional=False),
        spec("request_output_len", optional=False),
        spec("stop_words_list", dims=(2, -1)),
        spec("runtime_top_k"),
        spec("runtime_top_p", "FP32"),
        spec("streaming", "BOOL"),
        *SAMPLING,
    ),
    outputs=(spec("output_ids", dims=(-1, -1)), spec("sequence_length", dims=(-1,))),
    decoupled=True,
    max_batch_size=4,
    parameters=(("exclude_input_in_output", "true"),),
)
TEXT_INPUTS = (
    spec("text_input", "BYTES", (-1,), optional=False),
    spec("max_tokens", dims=(-1,), optional=False),
    spec("stop_words", "BYTES", (-1,)),
    spec("top_k"),
    spec("top_p", "FP32"),
    spec("stream", "BOOL"),
    *SAMPLING,
)
TEXT = ModelSignature("ensemble", TEXT_INPUTS, (spec("text_output", "BYTES", (-1,)),), decoupled=True, max_batch_size=4)
TEXT_AND_IDS = ModelSignature(
    "ensemble", TEXT_INPUTS, (*TEXT.outputs, *ENGINE.outputs), decoupled=True, max_batch_size=4
)


def changed(signature: ModelSignature, **fields: Any) -> ModelSignature:
    return replace(signature, **fields)


def without(signature: ModelSignature, *names: str) -> ModelSignature:
    return changed(signature, inputs=tuple(spec for spec in signature.inputs if spec.name not in names))


REQUEST = Generate("id", "model", Prompt("<user>hi", (5, 6, 7)), max_tokens=9, end_ids=(END, OTHER_END))


def generate(**sampling: object) -> Generate:
    return replace(REQUEST, sampling=Sampling(asked=frozenset(sampling), **sampling))  # type: ignore[arg-type]


def extended(signature: ModelSignature, *inputs: TensorSpec, outputs: tuple[TensorSpec, ...] = ()) -> ModelSignature:
    return changed(signature, inputs=(*signature.inputs, *inputs), outputs=(*signature.outputs, *outputs))


def values(route: Route, signature: ModelSignature, request: Generate) -> dict[str, list[object]]:
    tensors = bind(route, signature).encode(request, vocabulary)
    return {t.name: list(t.strings() if t.datatype == "BYTES" else t.numbers()) for t in tensors}


EXTRA = (
    spec("embedding_bias", "FP32", (-1,)),
    spec("bad_words_list", dims=(2, -1)),
    spec("return_log_probs", "BOOL"),
    spec("guided_decoding_guide_type", "BYTES"),
    spec("guided_decoding_guide", "BYTES"),
    spec("lora_task_id", "UINT64"),
    spec("min_p", "FP32"),
)
LOGPROBS = (spec("output_log_probs", "FP32", (-1, -1)),)
FULL = extended(ENGINE, *EXTRA, outputs=LOGPROBS)
FULL_TEXT = extended(
    TEXT_AND_IDS,
    spec("embedding_bias_words", "BYTES", (-1,)),
    spec("embedding_bias_weights", "FP32", (-1,)),
    spec("bad_words", "BYTES", (-1,)),
    *EXTRA[2:],
    outputs=LOGPROBS,
)
