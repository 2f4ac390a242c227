"""One generation on one Triton, whose responses a test decides: what becomes of them, and what the pool hears."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.attempt import TOLD_TOKENS, Attempt, Job
from gateway.core.balance import Outcome, Work
from gateway.core.pipeline import Pipeline
from gateway.core.routes import DIRECT, ENSEMBLE, Bound, bind
from gateway.core.said import LARGEST, MOST, MOST_KINDS, Said, keep
from gateway.core.tensors import ModelSignature, Response, Tensor, TensorSpec
from gateway.core.types import Content, Delta, Generate, Prompt, Reading
from gateway.metrics import Metrics
from gateway.recorder import Recorder
from gateway.settings.deadlines import Deadlines
from tests.gateway.vocabulary import BYTES, CONTROL, END, OTHER_END, WORDS, Vocabulary

vocabulary = Vocabulary()
INPUTS = tuple(TensorSpec(name, "INT32", (-1,)) for name in ("input_ids", "input_lengths", "request_output_len"))
OUTPUTS = tuple(TensorSpec(name, "INT32", (-1,)) for name in ("output_ids", "sequence_length"))
ENGINE = ModelSignature("tensorrt_llm", INPUTS, OUTPUTS, decoupled=True)
TEXT = ModelSignature(
    "ensemble",
    (TensorSpec("text_input", "BYTES", (-1,)), TensorSpec("max_tokens", "INT32", (-1,))),
    (TensorSpec("text_output", "BYTES", (-1,)),),
    True,
)
Turns = Sequence[Sequence[Response]]


class Engine:
    """A backend that hands out what it was given, turn for turn, as long as it is wanted."""

    def __init__(self, bound: Bound, turns: Turns) -> None:
        self._bound = bound
        self._turns = turns
        self.turns = 0  # that were wanted

    async def bound(self) -> Bound:
        return self._bound

    async def feed(self, *call: Any) -> None:
        take: Callable[[Sequence[Response]], bool] = call[5]
        for responses in self._turns:
            self.turns += 1
            if take(responses):
                return


class Heard:
    """What a pool hears of a request."""

    name = "m"

    def __init__(self) -> None:
        self.begun = 0
        self.tokens: list[int] = []

    def first(self, leased: object) -> None:
        self.begun += 1

    def progress(self, leased: object, tokens: int) -> None:
        self.tokens.append(tokens)


@dataclass(frozen=True, slots=True)
class Ran:
    deltas: list[Delta]
    outcome: Outcome
    tokens: int
    turns: int
    heard: Heard


async def ran(generate: Generate, turns: Turns, said: Said, bound: Bound, claim: bool = True) -> Ran:
    deltas: list[Delta] = []
    heard, engine = Heard(), Engine(bound, turns)
    leased: Any = SimpleNamespace(lost=asyncio.get_running_loop().create_future(), backend=engine)
    pipeline = Pipeline(generate, vocabulary)
    with Recorder(Metrics(), "m", 1) as record:
        job = Job(Work((1,), 1, None), generate, vocabulary, pipeline, record, deltas.append, said, lambda: claim)
        attempt = Attempt(heard, leased, job, Deadlines())  # type: ignore[arg-type]
        await attempt.run()
    return Ran(deltas, attempt.outcome, pipeline.generated, engine.turns, heard)


# The same object for outputs of the same kind, as our transport gives it.
_described: dict[int, Any] = {}


def response(ids: Sequence[int], *, final: bool = False) -> Response:
    tensors = [
        Tensor.of("output_ids", "INT32", (1, 1, len(ids)), ids),
        Tensor.of("sequence_length", "INT32", (1, 1), [len(ids)]),
    ]
    made = Response.of(tensors, final)
    return made._replace(described=_described.setdefault(len(ids), made.described))


def generate(**fields: Any) -> Generate:
    return replace(Generate("id", "m", Prompt("x", (7,)), 100, (END, OTHER_END)), **fields)


DIRECT_BOUND = bind(DIRECT, ENGINE)
# Few, so that they come again in other answers; among them an id that ends some and is text in others, parts of a
# character, and ids that are none.
IDS = st.sampled_from(
    [WORDS, WORDS, END, OTHER_END, CONTROL, WORDS + 1, *(BYTES + byte for byte in "聪".encode()), -1, 99_999]
)
ONE = IDS.map(lambda id: [[id]])  # as they come nearly always: one in a response, one response in a turn
TURN = st.one_of(ONE, ONE, ONE, st.lists(st.lists(IDS, max_size=2), min_size=1, max_size=2))
LIMITS = {
    "max_tokens": st.sampled_from([3, 100, 100]),
    "end_ids": st.sampled_from([(END,), (END, OTHER_END), (), (END, WORDS + 1)]),
}
PLAIN = st.builds(generate, **LIMITS)
OTHER = st.builds(
    generate,
    stop=st.sampled_from([(), ("wor",)]),
    choice=st.sampled_from([0, 1]),
    running_usage=st.booleans(),
    reading=st.sampled_from([Reading(), Reading("maybe"), Reading(calls="hermes")]),
    **LIMITS,
)
ANSWERS = st.tuples(st.one_of(PLAIN, PLAIN, PLAIN, OTHER), st.lists(TURN, min_size=3, max_size=14))


@settings(max_examples=300)
@given(st.lists(ANSWERS, min_size=2, max_size=6))
def test_an_answer_is_the_same_whatever_others_said(answers: list[tuple[Generate, list[list[list[int]]]]]) -> None:
    async def both() -> None:
        said = Said()
        for request, ids in answers:
            turns = [[response(each) for each in turn] for turn in ids] + [[response([], final=True)]]
            alone, together = [await ran(request, turns, each, DIRECT_BOUND) for each in (Said(), said)]
            assert together.deltas == alone.deltas
            assert (together.outcome, together.tokens, together.turns) == (alone.outcome, alone.tokens, alone.turns)

    asyncio.run(both())


async def test_an_end_id_that_was_none_for_another_answer_ends_this_one() -> None:
    said = Said()
    turns = [[response([id])] for id in (WORDS, WORDS, END, WORDS)] + [[response([], final=True)]]
    on, ended = [await ran(generate(end_ids=ids), turns, said, DIRECT_BOUND) for ids in ((), (END,))]
    assert (on.tokens, on.turns) == (4, 5)
    assert (ended.tokens, ended.turns, ended.deltas[-1].finish is not None) == (2, 3, True)


async def test_what_a_token_says_is_found_out_once() -> None:
    said, turns = Said(), [[response([WORDS])], [response([WORDS])], [response([WORDS])], [response([], final=True)]]
    first, second = [await ran(generate(), turns, said, DIRECT_BOUND) for _ in range(2)]
    assert [delta.parts for delta in first.deltas] == [(Content("hello"),)] * 3 + [()]
    assert len({id(delta) for delta in (*first.deltas[:3], *second.deltas[1:3])}) == 1
    assert first.deltas[3].finish == second.deltas[3].finish


async def test_the_loser_of_a_race_says_nothing() -> None:
    lost = await ran(generate(), [[response([WORDS])], [response([WORDS])]], Said(), DIRECT_BOUND, claim=False)
    assert (lost.deltas, lost.turns) == ([], 1)


WORD = [Response.of([Tensor.of_bytes("text_output", (1, 1), [b"word "])], False)]


@pytest.mark.parametrize(
    ("bound", "turn"), [(DIRECT_BOUND, [response([WORDS])]), (bind(ENSEMBLE, TEXT), WORD)], ids=["ids", "text"]
)
async def test_the_pool_hears_how_far_it_is(bound: Bound, turn: list[Response]) -> None:
    run = await ran(generate(), [turn] * (TOLD_TOKENS + 3), Said(), bound)
    assert run.heard.begun == 1
    assert sum(run.heard.tokens) == TOLD_TOKENS + 3
    assert len(run.heard.tokens) <= 4


def test_what_is_kept_is_bounded() -> None:
    said, delta = Said(), Delta()
    deltas = said.of((("x", "INT32", (1,)),))
    for number in range(MOST + 5):
        keep(deltas, (number.to_bytes(4, "little"),), delta)
    keep(deltas, (bytes(LARGEST + 1),), delta)
    assert len(deltas) == 5
    for number in range(3 * MOST_KINDS):
        assert said.of((("x", "INT32", (number,)),)) is said.of((("x", "INT32", (number,)),))
    assert len(said._kinds) <= MOST_KINDS
