"""Answers under a guide, from the CPU engine itself: they hold, they end, and others do not notice."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.engine.guides import GRAMMAR, PERSON, is_person
from tests.engine.speaker import PROMPTS, SOON, Speaker

LIST = {
    "type": "object",
    "properties": {"value": {"enum": [1, 2]}, "next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}},
    "required": ["value", "next"],
    "additionalProperties": False,
}


def is_list(value: Any) -> bool:
    while value is not None:
        if set(value) != {"value", "next"} or value["value"] not in (1, 2):
            return False
        value = value["next"]
    return True


SCHEMAS = [
    pytest.param(PERSON, is_person, id="object"),
    pytest.param(LIST, is_list, id="recursion"),
    pytest.param({"type": "integer", "minimum": 3}, lambda value: isinstance(value, int) and value >= 3, id="minimum"),
    pytest.param({"type": "integer", "exclusiveMaximum": -3}, lambda value: value < -3, id="maximum"),
    pytest.param({"type": "string", "pattern": "^.{2,5}$"}, lambda value: 2 <= len(value) <= 5, id="pattern"),
    pytest.param(
        {"type": "string", "pattern": "^[^abc]{2,5}$"}, lambda value: not set(value) & set("abc"), id="all but"
    ),
    pytest.param({"type": "string", "minLength": 3, "maxLength": 5}, lambda value: 3 <= len(value) <= 5, id="lengths"),
]


@pytest.mark.parametrize(("schema", "is_valid"), SCHEMAS)
def test_a_schema_holds(tiny: Speaker, schema: Any, is_valid: Any) -> None:
    for text in tiny.say_often("json_schema", json.dumps(schema)):
        assert is_valid(json.loads(text)), text


def test_a_schema_holds_where_a_model_speaks(seedling: Speaker) -> None:
    for text in seedling.say_often("json_schema", json.dumps(PERSON), 3):
        assert is_person(json.loads(text)), text


def test_json_is_an_object(tiny: Speaker) -> None:
    for text in tiny.say_often("json", "", count=5):
        assert isinstance(json.loads(text), dict), text


REGEXES = ["(red|green|blue)", r"\d{3}-[A-F]{2}", "(yes|no)(, (yes|no)){0,3}", "你好(世界)?!", r"[a-z ]{5,20}\."]


@pytest.mark.parametrize("regex", REGEXES)
def test_a_regex_holds(tiny: Speaker, regex: str) -> None:
    for text in tiny.say_often("regex", regex):
        assert re.fullmatch(regex, text), text


def test_a_grammar_holds(tiny: Speaker) -> None:
    for text in tiny.say_often("ebnf_grammar", GRAMMAR):
        assert re.fullmatch(r"\(+\d(\+\d)?\)+", text), text
        assert text.count("(") == text.count(")")


class TestEnding:
    @pytest.mark.parametrize("ends", [frozenset(), frozenset({3})], ids=["no end_id", "another end_id"])
    def test_a_complete_guide_ends_the_answer(self, tiny: Speaker, ends: frozenset[int]) -> None:
        assert tiny.say("regex", "(red|green)", end_ids=ends) in ("red", "green")

    def test_the_end_comes_though_others_run(self, tiny: Speaker) -> None:
        neighbour = tiny.asking.start(max_tokens=1500, end_ids=frozenset(), seed=2)
        assert tiny.say("regex", "abc") == "abc"
        assert not neighbour.ended.is_set()
        assert neighbour.ended.wait(6 * SOON)

    def test_the_limit_cuts(self, tiny: Speaker) -> None:
        assert len(tiny.asking.ask("regex", "[a-z]{500}", max_tokens=7).ids) == 7

    def test_control_tokens_never_appear(self, tiny: Speaker) -> None:
        """At this temperature all tokens are equal, and the compiler takes the control tokens for their names."""
        for seed in range(20):
            inbox = tiny.asking.ask("regex", '"[^"]*"', seed=seed, temperature=1000.0, max_tokens=150)
            text = tiny.tokenizer.decode(inbox.ids, skip_special_tokens=False)
            assert "<|" not in text
            assert text.startswith('"')

    @pytest.mark.parametrize("top_p", [0.3, 1.0])
    def test_a_nucleus_is_one_of_allowed_tokens(self, tiny: Speaker, top_p: float) -> None:
        assert tiny.say("regex", "(red|green)", top_p=top_p, temperature=0.7) in ("red", "green")

    def test_greedy(self, tiny: Speaker) -> None:
        assert tiny.say("regex", "(red|green)", seed=None) == tiny.say("regex", "(red|green)", seed=None)


def test_log_probs_are_the_models_own(tiny: Speaker, tiny_qwen_gguf: Path) -> None:
    from tests.support.numpy_qwen import NumpyQwen

    inbox = tiny.asking.ask("regex", "(red|green)")
    expected = NumpyQwen(tiny_qwen_gguf).log_probs(PROMPTS[0], inbox.ids)
    assert list(inbox.log_probs) == pytest.approx(expected, abs=0.02)


def test_a_mixed_batch_is_as_each_alone(tiny: Speaker) -> None:
    guides = [("", ""), ("regex", "(red|green|blue)"), ("json_schema", json.dumps(PERSON)), ("ebnf_grammar", GRAMMAR)]
    cases = [(*guide, seed) for guide in guides for seed in (None, 1, 2)]
    alone = [tiny.asking.ask(type, text, seed=seed, max_tokens=60).ids for type, text, seed in cases]
    together = [tiny.asking.start(type, text, seed=seed, max_tokens=60) for type, text, seed in cases]
    assert all(inbox.ended.wait(6 * SOON) for inbox in together)
    assert [inbox.ids for inbox in together] == alone


def test_compiled_guides_are_forgotten(tiny: Speaker, monkeypatch: pytest.MonkeyPatch) -> None:
    from model_repo_builder.triton_models.openvino import engine

    monkeypatch.setattr(engine, "FORGET_AFTER", 3)
    forgotten: list[int] = []
    (pipeline,) = tiny.asking.pipelines
    forget = pipeline.forget_guides
    monkeypatch.setattr(pipeline, "forget_guides", lambda: (forgotten.append(1), forget()))
    assert [tiny.say("regex", f"a{{{count}}}") for count in range(1, 9)] == ["a" * count for count in range(1, 9)]
    assert len(forgotten) >= 2
