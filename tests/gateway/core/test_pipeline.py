from dataclasses import replace

import pytest

from gateway.core.errors import UpstreamError
from gateway.core.pipeline import Pipeline
from gateway.core.reply.collect import Choice
from gateway.core.types import Content, Finish, Generate, Piece, Prompt, Reading, Sampling, Usage
from tests.gateway.vocabulary import BYTES, END, OTHER_END, Vocabulary
from tests.support.splits import every_split

vocabulary = Vocabulary()
ids = vocabulary.encode


def generate(*, max_tokens: int = 100, stop: tuple[str, ...] = ()) -> Generate:
    prompt = Prompt("hello", (7, 8, 9))
    return Generate("id", "model", prompt, max_tokens=max_tokens, end_ids=(END, OTHER_END), stop=stop)


def run(pieces: list[Piece], request: Generate) -> tuple[str, Finish | None]:
    pipeline = Pipeline(request, vocabulary)
    text = ""
    for piece in pieces:
        delta = pipeline.push(piece)
        text += "".join(part.text for part in delta.parts if isinstance(part, Content))
        if delta.finish:
            assert pipeline.finished
            return text, delta.finish
    return text, None


IDS = [
    pytest.param(ids("hello world"), {}, "hello world", "stop", 2, id="ends-by-itself"),
    pytest.param([*ids("hello"), END, *ids("junk")], {}, "hello", "stop", 1, id="end-id-then-junk"),
    pytest.param([*ids("hello"), OTHER_END, *ids("junk")], {}, "hello", "stop", 1, id="second-end-id"),
    pytest.param(ids("hello world"), {"max_tokens": 2}, "hello world", "length", 2, id="exactly-the-limit"),
    pytest.param(ids("hello world!!"), {"max_tokens": 2}, "hello world", "length", 2, id="past-the-limit"),
    pytest.param([*ids("hello"), -1, 99_999], {}, "hello", "stop", 1, id="ids-outside-the-vocabulary"),
    pytest.param(ids("聪")[:2], {}, "\ufffd", "stop", 2, id="lone-bytes-at-the-end"),
    pytest.param(ids("聪")[:2], {"max_tokens": 2}, "\ufffd", "length", 2, id="limit-inside-a-character"),
    pytest.param(ids("a\n\nb"), {"stop": ("\n\n",)}, "a", "stop", 2, id="stop-string"),
    pytest.param(ids("a。b"), {"stop": ("。",)}, "a", "stop", 4, id="stop-over-tokens"),
    pytest.param(ids("ab"), {"stop": ("bc",)}, "ab", "stop", 2, id="half-a-stop-is-text"),
    pytest.param(ids("ab"), {"stop": ("bc",), "max_tokens": 2}, "ab", "length", 2, id="half-a-stop-at-the-limit"),
    pytest.param(ids("ab"), {"stop": ("b",), "max_tokens": 2}, "a", "stop", 2, id="stop-on-the-last-token"),
    pytest.param([BYTES + 0xFF], {"stop": ("\ufffd",)}, "", "stop", 1, id="replacement-as-stop"),
    pytest.param(ids("聪")[:1], {"stop": ("\ufffd",)}, "", "stop", 1, id="replacement-as-stop-at-the-end"),
    pytest.param([], {}, "", "stop", 0, id="nothing"),
]


@pytest.mark.parametrize(("tokens", "fields", "text", "reason", "count"), IDS)
@pytest.mark.parametrize("final", ["with-data", "empty"])
def test_ids_over_every_split(
    tokens: list[int], fields: dict[str, object], text: str, reason: str, count: int, final: str
) -> None:
    for parts in every_split(tokens):
        pieces = [Piece(ids=tuple(part)) for part in parts]
        if final == "empty":
            pieces.append(Piece(ids=(), final=True))
        else:
            pieces[-1:] = [Piece(ids=tuple(parts[-1] if parts else ()), final=True)]
        out, finish = run(pieces, generate(**fields))  # type: ignore[arg-type]
        assert finish is not None
        assert (out, finish.reason, finish.usage) == (text, reason, Usage(3, count))


TEXTS = [
    pytest.param("hello world", {}, "hello world", "stop", 2, id="ends-by-itself"),
    pytest.param("hello world", {"max_tokens": 2}, "hello world", "length", 2, id="at-the-limit"),
    pytest.param("a\n\nb", {"stop": ("\n\n",)}, "a", "stop", None, id="stop-string"),
    pytest.param("ab", {"stop": ("bc",)}, "ab", "stop", 2, id="half-a-stop"),
    pytest.param("", {}, "", "stop", 0, id="nothing"),
]


@pytest.mark.parametrize(("text", "fields", "expected", "reason", "count"), TEXTS)
def test_text_over_every_split(
    text: str, fields: dict[str, object], expected: str, reason: str, count: int | None
) -> None:
    for parts in every_split(text):
        pieces = [*(Piece(text=part) for part in parts), Piece(text="", final=True)]
        out, finish = run(pieces, generate(**fields))  # type: ignore[arg-type]
        assert finish is not None
        assert (out, finish.reason) == (expected, reason)
        if count is not None:
            assert finish.usage.completion_tokens == count


def test_unfinished_until_something_ends_it() -> None:
    pipeline = Pipeline(generate(), vocabulary)
    assert pipeline.push(Piece(ids=tuple(ids("hello")))).parts == (Content("hello"),)
    assert not pipeline.finished


def collected(pieces: list[Piece], request: Generate) -> Choice:
    """Everything the pipeline gave, folded as a collected reply folds it."""
    pipeline, choice = Pipeline(request, vocabulary), Choice()
    for piece in pieces:
        choice.push(pipeline.push(piece))
        if pipeline.finished:
            break
    return choice


def by_one(tokens: list[int], *, logprobs: bool = False) -> list[Piece]:
    pieces = [Piece(ids=(id,), logprobs=(-float(n),) if logprobs else None) for n, id in enumerate(tokens)]
    return [*pieces, Piece(ids=(), logprobs=() if logprobs else None, final=True)]


def at_once(tokens: list[int], *, logprobs: bool = False) -> list[Piece]:
    values = tuple(-float(n) for n in range(len(tokens)))
    return [Piece(ids=tuple(tokens), logprobs=values if logprobs else None, final=True)]


both = pytest.mark.parametrize("split", [by_one, at_once], ids=["by-one", "at-once"])
CALL = '<tool_call>\n{"name": "f", "arguments": {"a": 1}}\n</tool_call>'
HERMES = Reading(calls="hermes", tools={"f": {}})


@both
@pytest.mark.parametrize(
    ("answer", "reading", "expected", "reasoned", "reason"),
    [
        ("Hm.</think>\n\nhello", Reading("inside"), ("Hm.", "hello", []), 11, "stop"),
        ("<think>Hm.</think>hello", Reading("maybe"), ("Hm.", "hello", []), 12, "stop"),
        ("hello", Reading("maybe"), ("", "hello", []), 0, "stop"),
        ("Hm.", Reading("inside"), ("Hm.", "", []), 3, "stop"),
        (CALL, HERMES, ("", "", [("f", '{"a": 1}')]), None, "tool_calls"),
        (f"{CALL}\n{CALL}", HERMES, ("", "", [("f", '{"a": 1}')] * 2), None, "tool_calls"),
        (CALL, Reading(calls="hermes", named=True), ("", "", [("f", '{"a": 1}')]), None, "stop"),
        (CALL, Reading(), ("", CALL, []), None, "stop"),
        (f"Hm.</think>\n\n{CALL}", Reading("inside", "hermes"), ("Hm.", "", [("f", '{"a": 1}')]), 11, "tool_calls"),
    ],
    ids=["inside", "opened", "no-thought", "cut-off", "call", "two-calls", "named", "no-tools", "thought-and-call"],
)
def test_thinking_and_calls(
    split: object, answer: str, reading: Reading, expected: object, reasoned: int | None, reason: str
) -> None:
    request = replace(generate(max_tokens=500), reading=reading)
    choice = collected(split(ids(answer)), request)  # type: ignore[operator]
    calls = [(call.name, "".join(call.arguments)) for call in choice.calls]
    assert ("".join(choice.reasoning), "".join(choice.content), calls) == expected
    assert choice.finish is not None
    assert (choice.finish.reason, choice.finish.usage.reasoning_tokens) == (reason, reasoned)
    assert choice.finish.usage.completion_tokens == len(ids(answer))


@both
def test_one_call_where_one_is_wanted_ends_the_answer(split: object) -> None:
    request = replace(generate(max_tokens=500), reading=Reading(calls="hermes", parallel=False))
    choice = collected(split(ids(f"{CALL}\n{CALL} and more")), request)  # type: ignore[operator]
    assert len(choice.calls) == 1
    assert choice.finish is not None
    assert choice.finish.reason == "tool_calls"
    assert choice.finish.usage.completion_tokens < len(ids(f"{CALL}\n{CALL}"))


def test_calls_have_ids_of_their_own() -> None:
    request = replace(generate(max_tokens=500), id="chatcmpl-ab-1", reading=HERMES)
    choice = collected(by_one(ids(f"{CALL}{CALL}")), request)
    assert [call.id for call in choice.calls] == ["call_ab100", "call_ab101"]


@both
@pytest.mark.parametrize(
    ("answer", "fields", "tokens"),
    [
        ("hello!", {}, ["hello", "!"]),
        ("聪", {}, ["\ufffd"] * 3),
        ("hello world!", {"stop": (" world",)}, ["hello"]),
        ("hello world!", {"stop": (" world",), "include_stop": True}, ["hello", " world"]),
        ("Hm.</think>hello", {"reading": Reading("inside")}, ["hello"]),
        ("ab", {"stop": ("bc",)}, ["a", "b"]),
    ],
    ids=["all", "bytes", "stop-string-cut", "stop-string-kept", "not-of-thinking", "half-a-stop"],
)
def test_log_probabilities_are_those_of_the_text(
    split: object, answer: str, fields: dict[str, object], tokens: list[str]
) -> None:
    request = replace(generate(), logprobs=True, **fields)  # type: ignore[arg-type]
    choice = collected(split(ids(answer), logprobs=True), request)  # type: ignore[operator]
    assert [token.token for token in choice.logprobs] == tokens
    joined = b"".join(token.bytes for token in choice.logprobs)
    assert joined.decode() == "".join(choice.content)


def test_log_probabilities_that_do_not_come_are_an_upstream_error() -> None:
    with pytest.raises(UpstreamError, match="log-probabilities"):
        collected(by_one(ids("hello")), replace(generate(), logprobs=True))


@both
def test_a_stop_string_may_stay(split: object) -> None:
    request = replace(generate(stop=("。",)), include_stop=True)
    choice = collected(split(ids("a。b")), request)  # type: ignore[operator]
    assert "".join(choice.content) == "a。"
    assert choice.finish is not None
    assert choice.finish.stopped_by == "。"


@both
def test_before_min_tokens_no_stop_string_counts(split: object) -> None:
    request = replace(generate(stop=("b",)), sampling=Sampling(min_tokens=3))
    choice = collected(split(ids("abcb!")), request)  # type: ignore[operator]
    assert "".join(choice.content) == "abc"


@pytest.mark.parametrize(
    ("tokens", "fields", "ends_itself"),
    [
        pytest.param([*ids("hello"), END], {}, True, id="end-id"),
        pytest.param([*ids("hello"), OTHER_END], {}, False, id="end-id-that-the-engine-may-not-know"),
        pytest.param(ids("hello world"), {"max_tokens": 2}, True, id="limit"),
        pytest.param(ids("a\n\nb"), {"stop": ("\n\n",)}, False, id="stop-string"),
        pytest.param(ids("ab"), {"stop": ("b",), "max_tokens": 2}, True, id="stop-string-at-the-limit"),
        pytest.param(ids("hello"), {}, False, id="not-finished"),
    ],
)
def test_whether_the_engine_ends_here_too(tokens: list[int], fields: dict[str, object], ends_itself: bool) -> None:
    pipeline = Pipeline(generate(**fields), vocabulary)  # type: ignore[arg-type]
    for piece in by_one(tokens):
        pipeline.push(piece._replace(final=False))
        if pipeline.finished:
            break
    assert pipeline.ends_itself is ends_itself


def test_counts_along_the_way_only_where_asked_for() -> None:
    pipeline = Pipeline(replace(generate(), running_usage=True), vocabulary)
    deltas = [pipeline.push(piece) for piece in by_one(ids("hello world"))]
    assert [delta.usage and delta.usage.completion_tokens for delta in deltas] == [1, 2, 2]
    assert Pipeline(generate(), vocabulary).push(Piece(ids=(1,))).usage is None


def test_cached_tokens_are_the_engine_s_word() -> None:
    choice = collected([Piece(ids=tuple(ids("hello")), cached_tokens=2), Piece(ids=(), final=True)], generate())
    assert choice.finish is not None
    assert choice.finish.usage == Usage(3, 1, cached_tokens=2)
