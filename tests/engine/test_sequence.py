"""Tokens → deltas: the rules of ending, whatever portions the tokens come in."""

import itertools

import pytest

from model_repo_builder.triton_models.openvino.request import Request, Sampling
from model_repo_builder.triton_models.openvino.sequence import Sequence

GREEDY = Sampling(True, 1.0, 0, 1.0, None, 1.0, 0.0, 0.0)


def request(
    *,
    max_tokens: int = 6,
    end_ids: frozenset[int] = frozenset({9}),
    stop_words: tuple[tuple[int, ...], ...] = (),
    streaming: bool = True,
) -> Request:
    return Request("", (1,), max_tokens, 0, end_ids, stop_words, GREEDY, streaming, log_probs=True)


CASES = [
    pytest.param(request(), [5, 6, 9, 7], [5, 6], id="the end token is not contained"),
    pytest.param(request(), [9, 7], [], id="the end token at once"),
    pytest.param(request(max_tokens=2), [5, 6, 7], [5, 6], id="length"),
    pytest.param(request(end_ids=frozenset()), [9, 9, 9, 9, 9, 9, 9], [9] * 6, id="no end token"),
    pytest.param(request(end_ids=frozenset({8, 9})), [5, 8], [5], id="two end tokens"),
    pytest.param(request(stop_words=((6, 7),)), [5, 6, 7, 8], [5, 6, 7], id="a stop word is contained"),
    pytest.param(request(stop_words=((6, 7),)), [6, 6, 7, 8], [6, 6, 7], id="a stop word after a false start"),
    pytest.param(request(stop_words=((6, 7), (5,))), [5, 6], [5], id="the first of two"),
    pytest.param(request(stop_words=((6, 9),)), [6, 9, 5], [6], id="the end token wins"),
]


def portions(tokens: list[int]) -> list[list[list[int]]]:
    """Every way to cut the tokens."""
    cuts = itertools.product([False, True], repeat=max(len(tokens) - 1, 0))
    found = []
    for cut in cuts:
        parts = [[tokens[0]]]
        for token, split in zip(tokens[1:], cut, strict=True):
            if split:
                parts.append([token])
            else:
                parts[-1].append(token)
        found.append(parts)
    return found


@pytest.mark.parametrize(("given", "tokens", "expected"), CASES)
def test_streaming_over_every_split(given: Request, tokens: list[int], expected: list[int]) -> None:
    for parts in portions(tokens):
        sequence, deltas = Sequence(given), []
        for part in parts:
            sequence.push(part, [-1.0] * len(part))
            delta = sequence.take()
            if delta is not None:
                deltas.append(delta)
            if sequence.finished:
                break
        assert [token for delta in deltas for token in delta.ids] == expected, parts
        assert [delta.final for delta in deltas] == [False] * (len(deltas) - 1) + [True], parts
        assert len(deltas[-1].log_probs) == len(expected), parts


def test_without_streaming_there_is_one_delta() -> None:
    sequence = Sequence(request(streaming=False, max_tokens=3))
    for token in (5, 6):
        sequence.push([token], [-0.5])
        assert sequence.take() is None
    sequence.push([7], [-0.5])
    delta = sequence.take()
    assert delta is not None
    assert (delta.ids, delta.log_probs, delta.final) == ((5, 6, 7), (-0.5, -0.5, -0.5), True)


def test_nothing_new_is_nothing_to_send() -> None:
    sequence = Sequence(request())
    sequence.push([5], [-0.5])
    assert sequence.take() is not None
    assert sequence.take() is None
