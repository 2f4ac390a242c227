import pytest

from gateway.core.pipeline import Pipeline
from gateway.core.types import Finish, Generate, Piece, Prompt, Usage
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
        text += delta.text
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
        expected = Finish(reason, Usage(3, count))  # type: ignore[arg-type]
        assert run(pieces, generate(**fields)) == (text, expected)  # type: ignore[arg-type]


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
    assert pipeline.push(Piece(ids=tuple(ids("hello")))).text == "hello"
    assert not pipeline.finished
