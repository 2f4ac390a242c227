import pytest

from gateway.core.parse.answer import Answer
from gateway.core.parse.plain import Plain
from gateway.core.parse.reasoning import LEADING, thinking_state
from gateway.core.types import Content, Part, Reasoning, Thinking
from tests.gateway.core.parse.reading import check, read


def answer(thinking: Thinking) -> Answer:
    return Answer(thinking, Plain())


def parts(thought: str, content: str) -> list[Part]:
    return [*([Reasoning(thought)] if thought else []), *([Content(content)] if content else [])]


ANSWERS = [
    pytest.param("maybe", "<think>\nHm.\n</think>\n\nYes.", "Hm.", "Yes.", id="as-templates-write"),
    pytest.param("maybe", "<think>Hm.</think>Yes.", "Hm.", "Yes.", id="no-newlines"),
    pytest.param("maybe", "\n <think>\nHm.\n</think>\n\nYes.", "Hm.", "Yes.", id="whitespace-in-front"),
    pytest.param("maybe", "<think>\n\n</think>\n\nYes.", "", "Yes.", id="empty-thought"),
    pytest.param("maybe", "<think></think>", "", "", id="nothing"),
    pytest.param("maybe", "<think>\n\n\nHm.\n\n</think>\n\n\nYes.\n", "\n\nHm.\n", "\nYes.\n", id="to-the-byte"),
    pytest.param("maybe", "<think>\n Hm. \n</think>\nYes.", " Hm. ", "Yes.", id="one-newline-behind"),
    pytest.param("maybe", "<think>\r\nHm.\r\n</think> \n\nYes.", "\r\nHm.\r", " \n\nYes.", id="other-whitespace"),
    pytest.param("maybe", "Yes, no thought.", "", "Yes, no thought.", id="no-thought"),
    pytest.param("maybe", "  \n Yes", "", "  \n Yes", id="whitespace-is-kept"),
    pytest.param("maybe", " \n", "", " \n", id="nothing-but-whitespace"),
    pytest.param("maybe", "Yes <think>a</think>", "", "Yes <think>a</think>", id="not-leading"),
    pytest.param("maybe", "a</think>b", "", "a</think>b", id="lone-end-is-text"),
    pytest.param("maybe", "</think>b", "", "</think>b", id="leading-end-is-text"),
    pytest.param("maybe", "<thin", "", "<thin", id="cut-in-the-tag"),
    pytest.param("maybe", "<thinking>x", "", "<thinking>x", id="another-tag"),
    pytest.param("maybe", "<think>\nHm. And", "Hm. And", "", id="cut-H3"),
    pytest.param("maybe", "<think>\nHm.\n</thi", "Hm.\n</thi", "", id="cut-in-the-end-tag"),
    pytest.param("maybe", "<think>\nHm.\n", "Hm.\n", "", id="cut-behind-a-newline"),
    pytest.param("maybe", "<think>a</think>b<think>c</think>d", "a", "b<think>c</think>d", id="one-thought-only"),
    pytest.param("maybe", "<think>a<think>b</think>c", "a<think>b", "c", id="tag-in-a-thought"),
    pytest.param("maybe", "<think>1 < 2 </thinks \n\n</b></think>c", "1 < 2 </thinks \n\n</b>", "c", id="nearly"),
    pytest.param("inside", "Hm.\n</think>\n\nYes.", "Hm.", "Yes.", id="inside-2507"),
    pytest.param("inside", "\nHm.\n</think>\n\nYes.", "Hm.", "Yes.", id="inside-newline-left-to-the-model"),
    pytest.param("inside", "\n</think>\n\nYes.", "", "Yes.", id="inside-empty"),
    pytest.param("inside", "</think>\n\nYes.", "", "Yes.", id="inside-closed-at-once"),
    pytest.param("inside", "Hm. And then", "Hm. And then", "", id="inside-cut-rapid-mlx-576"),
    pytest.param("inside", "Hm.</think>\n\n\n", "Hm.", "\n", id="inside-whitespace-behind"),
    pytest.param("inside", "我想…🤔\n</think>\n\n好。", "我想…🤔", "好。", id="inside-chinese"),
    pytest.param("off", "<think>a</think>b", "", "<think>a</think>b", id="off"),
    pytest.param("off", "\n\nYes.", "", "\n\nYes.", id="off-newlines"),
]


@pytest.mark.parametrize(("thinking", "text", "thought", "content"), ANSWERS)
def test_split(thinking: Thinking, text: str, thought: str, content: str) -> None:
    check(lambda: answer(thinking), text, parts(thought, content))


@pytest.mark.parametrize("thinking", ["maybe", "inside"])
def test_thoughts_are_not_delayed(thinking: Thinking) -> None:
    machine = answer(thinking)
    if thinking == "maybe":
        assert machine.push("<think>\n") == []
    assert machine.reasoning
    assert machine.push("I") == [Reasoning("I")]
    assert machine.push(" think\n") == [Reasoning(" think")]
    assert machine.push("</") == []
    assert machine.push("b>") == [Reasoning("\n</b>")]
    assert machine.push("</think>") == []
    assert not machine.reasoning
    assert machine.push("\n") == []
    assert machine.push("\nYes") == [Content("Yes")]


def test_leading_whitespace_is_limited() -> None:
    for space in (LEADING, LEADING + 1):
        text = " " * space + "<think>a</think>b"
        expected = parts("a", "b") if space == LEADING else parts("", text)
        assert read(answer("maybe"), [text]) == read(answer("maybe"), text) == expected


USER = "<|im_start|>user\n<think>\nHi<|im_end|>\n"
STATES = [
    pytest.param("<|im_start|>assistant\n", True, "maybe", id="generation-prompt"),
    pytest.param("<|im_start|>assistant\n", False, "off", id="a-model-that-does-not-think"),
    pytest.param(USER + "<|im_start|>assistant\n", True, "maybe", id="a-user-who-writes-the-tag"),
    pytest.param("<|im_start|>assistant\n<think>\n", True, "inside", id="template-opens-2507"),
    pytest.param("<|im_start|>assistant\n<think>", True, "inside", id="no-newline"),
    pytest.param("<|im_start|>assistant\n<think>\n", False, "inside", id="the-prompt-decides"),
    pytest.param("<|im_start|>assistant\n<think>\nFirst, ", True, "inside", id="begun-thought"),
    pytest.param("<|im_start|>assistant\n<think>\n\n</think>\n\n", True, "off", id="closed-vllm-53284"),
    pytest.param("<|im_start|>assistant\n<think>\n\n</think>\n\nYes", True, "off", id="begun-answer"),
    pytest.param("<|im_start|>assistant\nYes, <think>", True, "off", id="answer-about-the-tag"),
    pytest.param("<|im_start|>assistant\nThe tag <think>", False, "off", id="about-the-tag-without-thinking"),
    pytest.param('<|im_start|>assistant\n<tool_call>\n{"name": "f', True, "off", id="forced-call"),
    pytest.param("<|im_start|>assistant\n<think>\na<|im_end|>\n", True, "maybe", id="closed-turn"),
    pytest.param(
        "<|im_start|>assistant\n<think>\na<|im_end|>\n<|im_start|>assistant\n", True, "maybe", id="an-earlier-turn"
    ),
    pytest.param("<|im_start|>assistant\n<think>\na<|im_end|>\n" + USER, False, "off", id="no-generation-prompt"),
    pytest.param("<｜Assistant｜><think>\n", True, "inside", id="another-template"),
    pytest.param("Question: what is <think>? Answer:", True, "maybe", id="another-template-not-open"),
    pytest.param("…the end.\n</think>\n\n", True, "off", id="another-template-closed"),
    pytest.param("", True, "maybe", id="empty"),
]


@pytest.mark.parametrize(("tail", "thinks", "expected"), STATES)
def test_the_state_comes_from_the_prompt(tail: str, thinks: bool, expected: Thinking) -> None:
    assert thinking_state(tail, thinks=thinks) == expected
