"""OpenVINO GenAI's continuous batching behind four verbs: add, step, read, drop.

What was measured with openvino-genai 2026.4.1 and holds here:

- ``step`` makes at most one token per request and keeps Python's interpreter lock the whole time.
- Every request has its own random generator: a seed gives the same text whatever else is in flight. Seeds
  have 32 bits.
- Log-probabilities are those of the model's own distribution, before penalties, temperature and cuts.
- A cancelled handle is freed by the next step, whose handle then says IGNORED; so does a request for which
  the KV cache is full.
- The presence and frequency penalties are subtracted from positive logits but added to negative ones. That
  is the pipeline's own doing. Where a model's likely tokens have positive logits, as Qwen's have, the
  penalties do what they should.
- The end token of a request is part of what is read.
- A guide allows the end token of the tokenizer where it is complete, and no other. It takes other control tokens
  for the text of their names: they may come inside of a string, and are left out of the answer.

It must not know Triton, nor what the tensors of a request are called.
"""

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import openvino_genai

from .gguf_file import DamagedFile, check_gguf, opened_for_writing
from .grammar import FOREIGN, GrammarCompiler, control_ids, structured_output
from .grammar import reason as compiler_reason
from .guide import Guide
from .own_thread import in_own_thread
from .request import Request, Sampling
from .settings import Settings

BLOCK = 32
"""Tokens per block of the KV cache on a CPU."""

PROPERTIES = {
    # The same tokens alone and in a batch, on every CPU: bfloat16 or 8 bit caches would round differently.
    "INFERENCE_PRECISION_HINT": "f32",
    "KV_CACHE_PRECISION": "f16",
}


HIDDEN = 64
"""Tokens that a guided answer may be left without."""


class PipelineError(Exception):
    """The pipeline could not be made or failed; the text is one sentence."""


@dataclass(frozen=True, slots=True)
class Tokens:
    ids: list[int]
    log_probs: list[float]


class Handle:
    """One request inside the pipeline."""

    def __init__(self, handle: Any, hidden: frozenset[int] = frozenset()) -> None:
        """``hidden``: tokens that are no part of the answer."""
        self._handle = handle
        self._hidden = hidden
        self.begun = False
        """Whether a token was made, be it one that is no part of the answer."""

    def read(self) -> Tokens:
        """What was made since the last call; never waits."""
        tokens = Tokens([], [])
        while self._handle.can_read():
            self.begun = True
            for output in self._handle.read().values():
                for token, log_prob in zip(output.generated_ids, output.generated_log_probs, strict=True):
                    if token not in self._hidden:
                        tokens.ids.append(token)
                        tokens.log_probs.append(log_prob)
        return tokens

    def is_done(self) -> bool:
        """The pipeline ended it by its own rules: nothing more will come than what can be read."""
        return bool(self._handle.get_status() == openvino_genai.GenerationStatus.FINISHED)

    def was_given_up(self) -> bool:
        """The pipeline ended it without being asked: the KV cache is full."""
        return bool(self._handle.get_status() == openvino_genai.GenerationStatus.IGNORED)

    def drop(self) -> None:
        """Give its place away; the next step does so."""
        self._handle.cancel()


def _load(path: Path, scheduler: Any) -> Any:
    return in_own_thread(lambda: openvino_genai.ContinuousBatchingPipeline(str(path), scheduler, "CPU", PROPERTIES))


class Pipeline:
    def __init__(self, settings: Settings) -> None:
        scheduler = openvino_genai.SchedulerConfig()
        scheduler.enable_prefix_caching = settings.reuse_kv_cache
        if settings.kv_cache_tokens:
            scheduler.num_kv_blocks = -(-settings.kv_cache_tokens // BLOCK)
        try:
            if settings.model_path.is_file():
                check_gguf(settings.model_path)
                with opened_for_writing(settings.model_path) as path:
                    self._pipeline = _load(path, scheduler)
            else:
                self._pipeline = _load(settings.model_path, scheduler)
        except DamagedFile as error:
            raise PipelineError(str(error)) from error
        except FOREIGN as error:
            raise PipelineError(f"{settings.model_path} cannot be loaded as a Qwen model: {_reason(error)}") from error
        self._count = 0
        self._capacity = settings.capacity
        tokenizer = self._pipeline.get_tokenizer()
        self._end_id = int(tokenizer.get_eos_token_id())
        self._control_ids = control_ids(tokenizer) | {self._end_id, *settings.eos_token_ids}
        self._grammar = in_own_thread(lambda: GrammarCompiler(tokenizer, settings.vocab_size))
        self._grammar.compile("regex", "a")  # makes the compiler, which both sides find from here on

    def add(self, request: Request) -> Handle:
        prompt = openvino.Tensor(np.array([request.prompt], dtype=np.int64))
        self._count += 1
        try:
            config = generation_config(request)
            if request.guide is not None:
                self._guide(config, request, request.guide)
            handle = self._pipeline.add_request(self._count, prompt, config)
        except FOREIGN as error:
            raise PipelineError(f"the engine refused the request: {_reason(error)}") from error
        return Handle(handle, self._control_ids if request.guide else frozenset())

    def _guide(self, config: Any, request: Request, guide: Guide) -> None:
        config.structured_output_config = structured_output(guide.type, guide.text)
        config.ignore_eos = False
        config.eos_token_id = self._end_id
        config.stop_token_ids = {self._end_id}
        # What is left out of the answer shall not count as part of it.
        config.max_new_tokens = min(request.max_tokens + HIDDEN, self._capacity - len(request.prompt))

    def prepare(self, guide: Guide) -> str:
        """Compile a guide that is known to compile, so that its request need not; what is wrong, or nothing.

        For one thread, beside the one that steps.
        """
        try:
            self._grammar.compile(guide.type, guide.text)
        except FOREIGN as error:
            return compiler_reason(error)
        return ""

    def forget_guides(self) -> None:
        """Give back the memory of compiled guides. For the thread that steps, while nobody prepares one."""
        self._grammar.forget()
        self._grammar.compile("regex", "a")

    def step(self) -> None:
        try:
            self._pipeline.step()
        except FOREIGN as error:
            raise PipelineError(f"the engine failed: {_reason(error)}") from error

    def is_busy(self) -> bool:
        return bool(self._pipeline.has_non_finished_requests())


def generation_config(request: Request) -> Any:
    config = openvino_genai.GenerationConfig()
    config.max_new_tokens = request.max_tokens
    config.logprobs = 1 if request.log_probs else 0
    _sample(config, request.sampling)
    # Never empty: the pipeline would take the ids of the model file instead, and refuse the request if that has none.
    end_ids = request.end_ids or {0}
    config.eos_token_id = min(end_ids)
    config.stop_token_ids = set(end_ids)
    config.ignore_eos = not request.end_ids
    if request.end_ids:
        config.min_new_tokens = request.min_tokens
    return config


def _sample(config: Any, sampling: Sampling) -> None:
    config.repetition_penalty = sampling.repetition_penalty
    config.presence_penalty = sampling.presence_penalty
    config.frequency_penalty = sampling.frequency_penalty
    config.do_sample = not sampling.greedy
    if sampling.greedy:
        return
    config.temperature = sampling.temperature
    config.top_p = sampling.top_p
    if sampling.top_k:
        config.top_k = sampling.top_k
    config.rng_seed = secrets.randbits(32) if sampling.seed is None else fold(sampling.seed)


def fold(seed: int) -> int:
    """The contract's 64 bits into the generator's 32; seeds of 32 bits stay what they are."""
    high = seed >> 32
    return (seed ^ high * 0x9E3779B1 + (high >> 15)) & 0xFFFFFFFF


def _reason(error: Exception) -> str:
    """The last line that says something: OpenVINO puts where it happened first, and why at the end."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
