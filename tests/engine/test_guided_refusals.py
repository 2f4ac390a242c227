"""Bad guides, from the CPU engine itself: they are refused, hurt nobody, and who waits for a verdict can leave."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from model_repo_builder.triton_models.openvino.guide import checked
from tests.engine.guides import tag
from tests.engine.speaker import SOON, Speaker

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
    pytest.param("regex", "((a|ab|abc){1,1000}){1,1000}", "takes too much time or memory", id="huge repetition"),
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

        bad = Guide("regex", "((a|ab|abc){1,1000}){1,1000}")
        first = checker.check(bad)
        process = checker._process
        assert checker.check(bad) == first != ""
        assert checker._process is process, "it was tried again, which ends the process"

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


class TestLeaving:
    """A guide that takes a second to refuse: who waits for it can leave before, and never hears of the refusal."""

    SLOW = "((a|ab|abc){1,1000}){1,%d}"

    @pytest.fixture
    def process(self, tiny: Speaker) -> Any:
        """That which tries guides, and has none. One that takes too much is refused by ending it."""
        tiny.asking.ask("regex", "a")
        return tiny.asking.checker._process

    def test_stop_while_the_guide_is_tried(self, tiny: Speaker, process: Any) -> None:
        inbox = tiny.asking.start("regex", self.SLOW % 998, request_id="waits")
        second = tiny.asking.ask("regex", "a", request_id="waits")
        assert "already in flight" in second.failure
        tiny.asking.engine.stop("waits")
        assert inbox.ended.wait(SOON)
        assert tiny.asking.checker._process is process, "the guide was refused before"
        assert (inbox.ids, inbox.failure) == ([], "")

    def test_cancel_while_the_guide_is_tried(self, tiny: Speaker, process: Any) -> None:
        inbox = tiny.asking.start("regex", self.SLOW % 997)
        inbox.gone = True
        assert inbox.ended.wait(SOON)
        assert tiny.asking.checker._process is process, "the guide was refused before"
        assert (inbox.ids, inbox.failure) == ([], "")
