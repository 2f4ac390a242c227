"""Answers under a guide, from the CPU engine itself: they hold, bad guides hurt nobody, and others do not notice."""

import json
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from model_repo_builder.triton_models.openvino.guide import checked
from model_repo_builder.triton_models.openvino.request import Request, Sampling
from model_repo_builder.triton_models.openvino.sequence import Delta
from model_repo_builder.triton_models.openvino.settings import Settings, read_settings
from tests.support.tokenizer import TokenizerFolder
from tests.support.triton import require

SEEDLING = Path(__file__).parents[2] / "model_repo_builder" / "seedling"
PROMPTS = [(5, 6, 7, 8), (300,), tuple(range(40, 90)), (1, 1, 1), (12, 700, 3), (99, 98, 97, 96, 95)]
SOON = 10
"""Seconds within which anything here ends, on a busy machine."""


@dataclass(slots=True)
class Inbox:
    """A reply that keeps what it gets, and when."""

    ids: list[int] = field(default_factory=list)
    log_probs: tuple[float, ...] = ()
    times: list[float] = field(default_factory=list)
    failure: str = ""
    gone: bool = False
    ended: threading.Event = field(default_factory=threading.Event)

    def send(self, request: Request, delta: Delta, prefix: tuple[int, ...] = ()) -> None:
        self.ids += delta.ids
        self.log_probs = delta.log_probs
        self.times.append(time.monotonic())
        if delta.final:
            self.ended.set()

    def refuse(self, reason: str) -> None:
        self.failure = reason
        self.ended.set()

    fail = refuse

    def is_cancelled(self) -> bool:
        return self.gone


class Asking:
    """An engine with everything that belongs to it, and how to ask it."""

    def __init__(self, settings: Settings) -> None:
        from model_repo_builder.triton_models.openvino.engine import Engine
        from model_repo_builder.triton_models.openvino.guide_check import GuideChecker, GuideThread
        from model_repo_builder.triton_models.openvino.pipeline import Pipeline

        self.settings = settings
        self.logged: list[str] = []
        self.pipelines: list[Any] = []
        self.checker = GuideChecker(settings.model_path, settings.vocab_size, settings.guide_milliseconds)
        guides = GuideThread(self.checker, self.logged.append)

        def make() -> Pipeline:
            self.pipelines.append(Pipeline(settings))
            return self.pipelines[-1]  # type: ignore[no-any-return]

        self.engine = Engine(make, cancel_period=0.02, exclude_input=True, log=self.logged.append, guides=guides)

    def start(
        self,
        type: str = "",
        text: str = "",
        *,
        prompt: tuple[int, ...] = PROMPTS[0],
        seed: int | None = 1,
        temperature: float = 1.5,
        top_p: float = 1.0,
        max_tokens: int = 400,
        request_id: str = "",
        streaming: bool = True,
        end_ids: frozenset[int] | None = None,
    ) -> Inbox:
        inbox = Inbox()
        sampling = Sampling(seed is None, temperature, 0, top_p, seed, 1.0, 0.0, 0.0)
        ends = frozenset(self.settings.eos_token_ids) if end_ids is None else end_ids
        guide = checked(type, text) if type else None
        request = Request(request_id, prompt, max_tokens, 0, ends, (), sampling, streaming, True, guide)
        self.engine.submit(request, inbox)
        return inbox

    def ask(self, type: str = "", text: str = "", **options: Any) -> Inbox:
        inbox = self.start(type, text, **options)
        assert inbox.ended.wait(6 * SOON)
        return inbox


@dataclass(frozen=True, slots=True)
class Speaker:
    """An engine and its tokenizer."""

    asking: Asking
    tokenizer: Any
    end_id: int

    def say(self, type: str, text: str, **options: Any) -> str:
        """The answer's text; the guide must have been complete before the limit."""
        inbox = self.asking.ask(type, text, **options)
        assert len(inbox.ids) < options.get("max_tokens", 400), "cut off: choose another seed"
        return self.text_of(inbox)

    def say_often(self, type: str, text: str, count: int = len(PROMPTS), **options: Any) -> list[str]:
        """So many answers that were not cut off: noise now and then never stops writing spaces between two values."""
        options = {"max_tokens": 400, **options}
        texts: list[str] = []
        for seed in range(8 * count):
            inbox = self.asking.ask(type, text, prompt=PROMPTS[len(texts)], seed=seed, **options)
            if len(inbox.ids) < options["max_tokens"]:
                texts.append(self.text_of(inbox))
            if len(texts) == count:
                return texts
        raise AssertionError(f"only {len(texts)} of {8 * count} answers came to their end")

    def text_of(self, inbox: Inbox) -> str:
        assert inbox.failure == ""
        assert len(inbox.log_probs) == len(inbox.ids)
        return str(self.tokenizer.decode(inbox.ids, skip_special_tokens=False))


@pytest.fixture(scope="module")
def tiny(tiny_qwen_gguf: Path, tokenizer: TokenizerFolder) -> Iterator[Speaker]:
    require("openvino_genai")
    ends = ",".join(map(str, tokenizer.eos_token_ids))
    settings = {"model_path": str(tiny_qwen_gguf), "max_seq_len": "2048", "vocab_size": str(tokenizer.vocab_size)}
    settings["guided_decoding_compile_ms"] = "1000"
    asking = Asking(read_settings({**settings, "eos_token_ids": ends}))
    yield Speaker(asking, tokenizer.load(), tokenizer.end_id)
    asking.engine.close()


@pytest.fixture(scope="module")
def seedling() -> Iterator[Speaker]:
    require("openvino_genai")
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(SEEDLING / "tokenizer.json"))
    end_id = tokenizer.token_to_id("<|im_end|>")
    config = json.loads((SEEDLING / "config.json").read_text("utf-8"))
    settings = {"model_path": str(SEEDLING / "seedling-q8_0.gguf"), "max_seq_len": "1024"}
    settings |= {"vocab_size": str(config["vocab_size"]), "eos_token_ids": str(end_id)}
    asking = Asking(read_settings(settings))
    yield Speaker(asking, tokenizer, end_id)
    asking.engine.close()


def is_person(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and set(value) == {"name", "age", "tags", "kind"}
        and isinstance(value["name"], str)
        and 1 <= len(value["name"]) <= 12
        and isinstance(value["age"], int)
        and 0 <= value["age"] <= 120
        and isinstance(value["tags"], list)
        and len(value["tags"]) <= 2
        and set(value["tags"]) <= {"red", "blue"}
        and value["kind"] in ("cat", 7, None)
    )


PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 12},
        "age": {"type": "integer", "minimum": 0, "maximum": 120},
        "tags": {"type": "array", "items": {"type": "string", "enum": ["red", "blue"]}, "maxItems": 2},
        "kind": {"enum": ["cat", 7, None]},
    },
    "required": ["name", "age", "tags", "kind"],
    "additionalProperties": False,
}
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


GRAMMAR = """
root ::= "(" sum ")"
sum ::= [0-9] | [0-9] "+" [0-9] | root
"""


def test_a_grammar_holds(tiny: Speaker) -> None:
    for text in tiny.say_often("ebnf_grammar", GRAMMAR):
        assert re.fullmatch(r"\(+\d(\+\d)?\)+", text), text
        assert text.count("(") == text.count(")")


def tag(format: Any) -> str:
    return json.dumps({"type": "structural_tag", "format": format})


def after_thinking(content: Any) -> str:
    """What comes once a prompt has opened the thinking."""
    thinking = {"type": "tag", "begin": "", "content": {"type": "any_text"}, "end": "</think>"}
    return tag({"type": "sequence", "elements": [thinking, content]})


CALL = {
    "type": "object",
    "properties": {"name": {"const": "add"}, "arguments": {"type": "object", "properties": {"a": {"enum": [1, 2]}}}},
    "required": ["name", "arguments"],
    "additionalProperties": False,
}
CALL["properties"]["arguments"] |= {"required": ["a"], "additionalProperties": False}  # type: ignore[index]


def one_call() -> Any:
    content = {"type": "json_schema", "json_schema": CALL}
    return {"type": "tag", "begin": "<tool_call>\n", "content": content, "end": "\n</tool_call>"}


def test_a_guide_after_thinking(tiny: Speaker) -> None:
    thinking = {"type": "tag", "begin": "", "content": {"type": "regex", "pattern": "[a-z ]{1,9}"}, "end": "</think>"}
    answer = {"type": "json_schema", "json_schema": PERSON}
    for text in tiny.say_often("structural_tag", tag({"type": "sequence", "elements": [thinking, answer]})):
        thoughts, end, rest = text.partition("</think>")
        assert re.fullmatch("[a-z ]{1,9}", thoughts)
        assert end
        assert is_person(json.loads(rest))


def test_any_text_before_the_guide(tiny: Speaker) -> None:
    """At this temperature all tokens are equal, so that even noise hits upon </think>."""
    guide = after_thinking({"type": "regex", "pattern": "(yes|no)"})
    finished = 0
    for seed, prompt in enumerate(PROMPTS):
        inbox = tiny.asking.ask("structural_tag", guide, prompt=prompt, seed=seed, temperature=100.0, max_tokens=1000)
        thoughts, end, rest = tiny.text_of(inbox).partition("</think>")
        finished += bool(end)
        assert rest in (("yes", "no") if end else ("",)), (thoughts, rest)
    assert finished


def test_calls_between_tags(tiny: Speaker) -> None:
    separated = {"type": "tags_with_separator", "tags": [one_call()], "separator": "\n", "at_least_one": True}
    for text in tiny.say_often("structural_tag", tag({**separated, "stop_after_first": True})):
        found = re.fullmatch(r"<tool_call>\n(.*)\n</tool_call>", text, re.DOTALL)
        assert found, text
        assert json.loads(found[1]) in [{"name": "add", "arguments": {"a": number}} for number in (1, 2)]


def test_a_triggered_tag(tiny: Speaker) -> None:
    triggered = {"type": "triggered_tags", "triggers": ["<tool_call>"], "tags": [one_call()]}
    for text in tiny.say_often("structural_tag", tag({**triggered, "at_least_one": True, "stop_after_first": True})):
        assert json.loads(text.removeprefix("<tool_call>").removesuffix("</tool_call>"))["name"] == "add"


def test_calls_in_xml(tiny: Speaker) -> None:
    """One function with a parameter, one without."""
    schemas = {"add": {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}, "stop": {}}
    tags = [
        {
            "type": "tag",
            "begin": f"<function={name}>\n",
            "content": {"type": "qwen_xml_parameter", "json_schema": schema},
            "end": "\n</function>",
        }
        for name, schema in schemas.items()
    ]
    format = {"type": "tags_with_separator", "tags": tags, "separator": "\n"}
    found = tiny.say_often(
        "structural_tag", tag({**format, "at_least_one": True, "stop_after_first": True}), max_tokens=80
    )
    parameter = r"\s*<parameter=a>\s*-?\d+\s*</parameter>\s*"
    for text in found:
        assert re.fullmatch(rf"<function=(add>\n{parameter}|stop>\n)\n</function>", text), text


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


BAD = [
    pytest.param("regex", "(a", "not closed", id="regex"),
    pytest.param("regex", r"(a)\1", "Backreference is not supported", id="backreference"),
    pytest.param("regex", "a{5,2}", "Lower bound is larger", id="repetition"),
    pytest.param("json_schema", '{"type": "nope"}', 'Unsupported type "nope"', id="type"),
    pytest.param("json_schema", '{"$ref": "#/nowhere"}', "Cannot find field nowhere", id="reference"),
    pytest.param("ebnf_grammar", "root ::=", "Expect element", id="grammar"),
    pytest.param("ebnf_grammar", 'other ::= "a"', "root", id="no root"),
    pytest.param("ebnf_grammar", "root ::= other", '"other" is not defined', id="undefined rule"),
    pytest.param("structural_tag", '{"type": "structural_tag"}', "format", id="tag without format"),
    pytest.param("structural_tag", tag({"type": "nope"}), "nope", id="unknown format"),
    pytest.param("regex", "(a{1,1000}){1,1000}", "takes too much time or memory", id="huge repetition"),
    pytest.param("json_schema", json.dumps({"enum": [f"v{n}" for n in range(6000)]}), "", id="huge enum"),
]


@pytest.mark.parametrize(("type", "text", "words"), BAD)
def test_bad_guides_are_refused_and_hurt_nobody(tiny: Speaker, type: str, text: str, words: str) -> None:
    alone = tiny.asking.ask(seed=None, max_tokens=300, end_ids=frozenset()).ids
    neighbour = tiny.asking.start(seed=None, max_tokens=300, end_ids=frozenset())
    inbox = tiny.asking.ask(type, text)
    if words:
        assert inbox.failure.startswith("guided_decoding_guide ")
        assert words in inbox.failure
        assert "/cpp/" not in inbox.failure
    assert neighbour.ended.wait(6 * SOON)
    assert neighbour.ids == alone
    assert len(tiny.asking.pipelines) == 1, "the pipeline had to be replaced"


class TestTheProcessThatTries:
    @pytest.fixture
    def checker(self, tiny: Speaker) -> Iterator[Any]:
        from model_repo_builder.triton_models.openvino.guide_check import GuideChecker

        settings = tiny.asking.settings
        checker = GuideChecker(settings.model_path, settings.vocab_size, settings.guide_milliseconds)
        yield checker
        checker.close()

    def test_a_crash_is_a_refusal(self, checker: Any) -> None:
        """Past the checks that come before it: xgrammar overflows its stack on this one."""
        from model_repo_builder.triton_models.openvino.guide import Guide

        assert "takes too much" in checker.check(Guide("regex", "(" * 100_000 + "a" + ")" * 100_000))
        assert checker.check(Guide("regex", "a")) == ""

    def test_a_verdict_is_remembered(self, checker: Any) -> None:
        from model_repo_builder.triton_models.openvino.guide import Guide

        bad = Guide("regex", "(a{1,1000}){1,1000}")
        first = checker.check(bad)
        began = time.monotonic()
        assert checker.check(bad) == first != ""
        assert time.monotonic() - began < 0.1

    def test_no_process_is_a_refusal(self, tiny: Speaker) -> None:
        from model_repo_builder.triton_models.openvino.guide_check import BROKEN, GuideChecker, GuideThread, Order

        logged: list[str] = []
        answered, answers = threading.Event(), []

        def done(wrong: str) -> None:
            answers.append(wrong)
            answered.set()

        thread = GuideThread(GuideChecker(Path("missing.gguf"), 700, 1000), logged.append)
        thread.order(Order(checked("regex", "a"), lambda guide: "", done))
        assert answered.wait(SOON)
        thread.close()
        assert answers == [BROKEN]
        assert logged == ["a guide could not be tried: CheckerBroken('its process does not start')"]


def test_a_mixed_batch_is_as_each_alone(tiny: Speaker) -> None:
    guides = [("", ""), ("regex", "(red|green|blue)"), ("json_schema", json.dumps(PERSON)), ("ebnf_grammar", GRAMMAR)]
    cases = [(*guide, seed) for guide in guides for seed in (None, 1, 2)]
    alone = [tiny.asking.ask(type, text, seed=seed, max_tokens=60).ids for type, text, seed in cases]
    together = [tiny.asking.start(type, text, seed=seed, max_tokens=60) for type, text, seed in cases]
    assert all(inbox.ended.wait(6 * SOON) for inbox in together)
    assert [inbox.ids for inbox in together] == alone


class TestLeaving:
    """A guide that takes a second to refuse: who waits for it can leave before."""

    SLOW = "(a{1,1000}){1,%d}"

    def test_stop_while_the_guide_is_tried(self, tiny: Speaker) -> None:
        inbox = tiny.asking.start("regex", self.SLOW % 998, request_id="waits")
        second = tiny.asking.ask("regex", "a", request_id="waits")
        assert "already in flight" in second.failure
        tiny.asking.engine.stop("waits")
        assert inbox.ended.wait(0.5)
        assert (inbox.ids, inbox.failure) == ([], "")

    def test_cancel_while_the_guide_is_tried(self, tiny: Speaker) -> None:
        inbox = tiny.asking.start("regex", self.SLOW % 997)
        inbox.gone = True
        assert inbox.ended.wait(0.5)
        assert (inbox.ids, inbox.failure) == ([], "")


def test_compiled_guides_are_forgotten(tiny: Speaker, monkeypatch: pytest.MonkeyPatch) -> None:
    from model_repo_builder.triton_models.openvino import engine

    monkeypatch.setattr(engine, "FORGET_AFTER", 3)
    forgotten: list[int] = []
    (pipeline,) = tiny.asking.pipelines
    forget = pipeline.forget_guides
    monkeypatch.setattr(pipeline, "forget_guides", lambda: (forgotten.append(1), forget()))
    assert [tiny.say("regex", f"a{{{count}}}") for count in range(1, 9)] == ["a" * count for count in range(1, 9)]
    assert len(forgotten) >= 2
