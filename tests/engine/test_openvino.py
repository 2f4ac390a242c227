"""The CPU engine on a real tritonserver, with a tiny Qwen of random weights."""

import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.engine_client import EngineClient, EngineError, word_list
from tests.support.numpy_qwen import NumpyQwen
from tests.support.tokenizer import TokenizerFolder

PROMPT = [5, 6, 7, 8]
SAMPLED = {"temperature": 1.0, "runtime_top_p": 1.0, "runtime_top_k": 0}
PROMPTS = [np.random.default_rng(number).integers(0, 700, size=1 + 7 * number).tolist() for number in range(32)]


@pytest.fixture(scope="module")
def greedy(engine: EngineClient) -> list[int]:
    """What the model says after PROMPT."""
    return engine.generate(PROMPT, 12).ids


@pytest.fixture(scope="module")
def reference(tiny_qwen_gguf: Path) -> NumpyQwen:
    return NumpyQwen(tiny_qwen_gguf)


@pytest.mark.parametrize("number", [0, 1, 5])
def test_greedy_is_what_the_weights_say(engine: EngineClient, reference: NumpyQwen, number: int) -> None:
    prompt = PROMPTS[number]
    assert engine.generate(prompt, 16, end_id=-1).ids == reference.greedy(prompt, 16)


def test_streamed_deltas_are_the_whole_answer(engine: EngineClient, greedy: list[int]) -> None:
    stream = engine.generate(PROMPT, 12)
    assert [len(each.ids) for each in stream.responses] == [1] * 12
    assert [each.final for each in stream.responses] == [False] * 11 + [True]
    assert [each.outputs["sequence_length"].tolist() for each in stream.responses] == [[[1]]] * 12
    whole = engine.generate(PROMPT, 12, streaming=False)
    assert [(each.ids, each.final) for each in whole.responses] == [(greedy, True)]
    assert whole.responses[0].outputs["sequence_length"].tolist() == [[12]]


def test_the_end_token_is_not_contained(engine: EngineClient, greedy: list[int]) -> None:
    answer = engine.generate(PROMPT, 12, end_id=greedy[3])
    assert answer.ids == greedy[:3]
    assert (answer.responses[-1].ids, answer.responses[-1].final) == ([], True)


def test_min_length_keeps_the_end_token_away(engine: EngineClient, greedy: list[int]) -> None:
    answer = engine.generate(PROMPT, 12, end_id=greedy[3], min_length=6)
    assert answer.ids[:3] == greedy[:3]
    assert len(answer.ids) >= 6


def test_stop_words_are_contained(engine: EngineClient, greedy: list[int]) -> None:
    words = word_list([[greedy[2], greedy[0]], greedy[4:6]])
    answer = engine.generate(PROMPT, 12, stop_words_list=words)
    assert answer.ids == greedy[:6]
    assert answer.responses[-1].final


EFFECTS = [
    pytest.param({"repetition_penalty": 0.01}, id="repetition_penalty"),
    pytest.param({**SAMPLED, "random_seed": 1}, id="sampling"),
    pytest.param({**SAMPLED, "random_seed": 1, "temperature": 3.0}, id="temperature"),
    pytest.param({"temperature": 3.0, "runtime_top_k": 3, "random_seed": 1}, id="top_k"),
]


@pytest.mark.parametrize("inputs", EFFECTS)
def test_inputs_that_change_the_text(engine: EngineClient, greedy: list[int], inputs: dict[str, Any]) -> None:
    assert engine.generate(PROMPT, 12, end_id=-1, **inputs).ids != greedy


@pytest.mark.parametrize("name", ["presence_penalty", "frequency_penalty"])
def test_penalties_against_repetition(engine: EngineClient, name: str) -> None:
    """A text that likes to repeat itself does so less, the more a repetition costs."""

    def repeats(penalty: float) -> int:
        inputs = {"temperature": 4.0, "runtime_top_k": 40, "random_seed": 1, "repetition_penalty": 0.7, name: penalty}
        ids = engine.generate(PROMPT, 100, end_id=-1, streaming=False, **inputs).ids
        return len(ids) - len(set(ids))

    assert repeats(2.0) < repeats(0.0) < repeats(-2.0)


def test_top_k_and_top_p_stay_inside_their_cut(engine: EngineClient, reference: NumpyQwen) -> None:
    logits = reference.logits(PROMPT)
    order = [int(token) for token in np.argsort(-logits)]
    probabilities = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    nucleus = order[: 1 + int(np.searchsorted(np.cumsum(probabilities[order]), 0.5))]

    def first_tokens(**inputs: Any) -> set[int]:
        seeds = range(40)
        return {engine.generate(PROMPT, 1, end_id=-1, random_seed=seed, **inputs).ids[0] for seed in seeds}

    top_k = first_tokens(runtime_top_k=3, temperature=5.0)
    assert top_k <= set(order[:3])
    assert len(top_k) > 1
    top_p = first_tokens(runtime_top_k=0, runtime_top_p=0.5, temperature=1.0)
    assert top_p <= set(nucleus)
    assert len(top_p) > 1


@pytest.mark.parametrize(
    "inputs",
    [{"temperature": 0.7}, {**SAMPLED, "temperature": 0.0}, {**SAMPLED, "runtime_top_k": 1}, {"runtime_top_k": 0}],
    ids=["temperature alone", "temperature 0", "top_k 1", "top_k 0 alone"],
)
def test_what_is_greedy(engine: EngineClient, greedy: list[int], inputs: dict[str, Any]) -> None:
    assert engine.generate(PROMPT, 12, **inputs).ids == greedy


class TestSeeds:
    def test_a_seed_repeats_the_text(self, engine: EngineClient) -> None:
        texts = [engine.generate(PROMPT, 12, random_seed=seed, **SAMPLED).ids for seed in (1, 2, 1)]
        assert texts[0] == texts[2] != texts[1]

    def test_seeds_beyond_32_bits_differ(self, engine: EngineClient) -> None:
        seeds = (1, 2**32 + 1, 2**63, 2**64 - 1)
        texts = {tuple(engine.generate(PROMPT, 12, random_seed=seed, **SAMPLED).ids) for seed in seeds}
        assert len(texts) == len(seeds)

    def test_without_a_seed_texts_differ(self, engine: EngineClient) -> None:
        assert len({tuple(engine.generate(PROMPT, 12, **SAMPLED).ids) for _ in range(4)}) == 4

    def test_others_in_flight_change_nothing(self, engine: EngineClient) -> None:
        def ask(seed: int) -> list[int]:
            return engine.generate(PROMPT, 24, end_id=-1, random_seed=seed, **SAMPLED).ids

        alone = [ask(seed) for seed in range(12)]
        with ThreadPoolExecutor(12) as pool:
            assert list(pool.map(ask, range(12))) == alone


class TestLogProbs:
    def test_they_are_the_models_own_and_cumulative(
        self, engine: EngineClient, reference: NumpyQwen, greedy: list[int]
    ) -> None:
        answer = engine.generate(PROMPT, 5, return_log_probs=True)
        assert answer.ids == greedy[:5]
        assert [each.outputs["output_log_probs"].shape for each in answer.responses] == [
            (1, 1, count) for count in range(1, 6)
        ]
        assert answer.log_probs == pytest.approx(reference.log_probs(PROMPT, greedy[:5]), abs=0.02)
        assert answer.cum_log_prob == pytest.approx(math.fsum(answer.log_probs), abs=1e-4)

    def test_asking_for_them_changes_no_token(self, engine: EngineClient) -> None:
        inputs = {**SAMPLED, "random_seed": 3, "presence_penalty": 1.0, "runtime_top_k": 20}
        plain = engine.generate(PROMPT, 12, **inputs)
        assert engine.generate(PROMPT, 12, return_log_probs=True, **inputs).ids == plain.ids
        assert plain.log_probs == [0.0]


def test_the_answer_is_cut_to_the_context(engine: EngineClient) -> None:
    prompt = [1 + number % 600 for number in range(2040)]
    assert len(engine.generate(prompt, 1000, end_id=-1).ids) == 8


REFUSED = [
    pytest.param({"prompt": [5] * 2048}, r"Prompt length \(2048\) exceeds maximum input length \(2047\)", id="long"),
    pytest.param({"beam_width": 2}, "beam_width cannot be honoured", id="beam_width"),
    pytest.param({"bad_words_list": word_list([[5]])}, "bad_words_list cannot be honoured", id="bad_words_list"),
    pytest.param({"embedding_bias": [[1.0] * 8]}, "embedding_bias cannot be honoured", id="embedding_bias"),
    pytest.param({"return_context_logits": True}, "return_context_logits cannot be honoured", id="context logits"),
    pytest.param({"lora_task_id": 7}, "lora_task_id cannot be honoured", id="lora"),
    pytest.param({"temperature": -1.0}, "temperature is -1", id="temperature"),
    pytest.param({"prompt": [100_000]}, "input_ids holds 100000", id="unknown id"),
]


@pytest.mark.parametrize(("inputs", "text"), REFUSED)
def test_refusals_name_the_input_and_hurt_nobody(
    engine: EngineClient, greedy: list[int], inputs: dict[str, Any], text: str
) -> None:
    neighbour = engine.start(PROMPT, 12)
    with pytest.raises(EngineError, match=text):
        engine.generate(**{"prompt": PROMPT, **inputs})
    assert neighbour.read_all().ids == greedy


def test_many_at_once_equal_each_alone(engine: EngineClient) -> None:
    def ask(prompt: list[int]) -> list[int]:
        return engine.generate(prompt, 32, end_id=-1).ids

    alone = [ask(prompt) for prompt in PROMPTS]
    with ThreadPoolExecutor(len(PROMPTS)) as pool:
        assert list(pool.map(ask, PROMPTS)) == alone


class TestLeaving:
    """Who leaves frees the place at once: an id can be used again only when its request is gone."""

    LONG = 2000

    def is_in_flight(self, engine: EngineClient, request_id: str) -> bool:
        try:
            engine.generate(PROMPT, 1, request_id=request_id)
        except EngineError as error:
            if "already in flight" in str(error):
                return True
            raise
        return False

    @pytest.mark.parametrize("streaming", [True, False], ids=["stream", "whole"])
    def test_cancel(self, engine: EngineClient, streaming: bool) -> None:
        request_id = f"cancel-{streaming}"
        call = engine.start(PROMPT, self.LONG, end_id=-1, streaming=streaming, request_id=request_id)
        # Two streams may overtake each other: wait until the first has arrived.
        deadline = time.monotonic() + 5
        while not self.is_in_flight(engine, request_id):
            assert time.monotonic() < deadline, "the request did not arrive"
        call.cancel()
        deadline = time.monotonic() + 0.3
        while self.is_in_flight(engine, request_id):
            assert time.monotonic() < deadline, "the request is still in flight"

    def test_stop_by_request_id(self, engine: EngineClient, greedy: list[int]) -> None:
        call = engine.start(PROMPT, self.LONG, end_id=-1, request_id="stopped")
        responses = iter(call)
        ids = next(responses).ids
        assert [(each.ids, each.final) for each in engine.stop("stopped").responses] == [([], True)]
        last = None
        for last in responses:
            ids = [*ids, *last.ids]
        assert last is not None
        assert last.final
        assert len(ids) < self.LONG
        assert ids[:12] == greedy[: len(ids)]

    def test_stopping_what_is_not_there(self, engine: EngineClient) -> None:
        assert [each.final for each in engine.stop("nobody").responses] == [True]
        with pytest.raises(EngineError, match="request ID is not provided"):
            engine.stop("")


def test_a_request_joins_while_another_runs(engine: EngineClient, greedy: list[int]) -> None:
    """The second finishes before the first, which began earlier: it did not wait for it."""
    first_is_done = threading.Event()
    responses = iter(engine.start(PROMPT, 400, end_id=-1))
    next(responses)

    def read_on() -> None:
        for _ in responses:
            pass
        first_is_done.set()

    reader = threading.Thread(target=read_on)
    reader.start()
    assert engine.generate(PROMPT, 12).ids == greedy
    assert not first_is_done.is_set()
    reader.join(60)
    assert first_is_done.is_set()


def test_the_model_ends_by_its_own_end_tokens(
    engine: EngineClient, tokenizer: TokenizerFolder, reference: NumpyQwen
) -> None:
    """Without end_id every end token of the model ends the sequence."""
    seen = engine.generate(PROMPT, 400, end_id=-1, random_seed=5, **SAMPLED).ids
    ends = [index for index, token in enumerate(seen) if token in tokenizer.eos_token_ids]
    assert ends, "choose another seed: this text has no end token"
    assert engine.generate(PROMPT, 400, random_seed=5, **SAMPLED).ids == seen[: ends[0]]
