"""Seedling's chat template against Qwen3's on histories of every kind, and against the corpus's own renderer."""

from __future__ import annotations

import itertools
import json
import random
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer
from transformers.utils.chat_template_utils import render_jinja_template

from seedling import corpus, prompt
from seedling.shape import PACKAGE

QWEN3 = Path(__file__).resolve().parents[3] / "shared" / "qwen" / "templates" / "qwen3.jinja"
OURS = json.loads((PACKAGE / "tokenizer_config.json").read_text("utf-8"))["chat_template"]
# Qwen's own sentences around the list of tools, and ours: all that may differ.
QWEN_WORDS = (
    "# Tools\n\nYou may call one or more functions to assist with the user query.\n\n"
    "You are provided with function signatures within <tools></tools> XML tags:\n<tools>",
    "For each function call, return a json object with function name and arguments within "
    "<tool_call></tool_call> XML tags:\n"
    '<tool_call>\n{"name": <function-name>, "arguments": <args-json-object>}\n</tool_call>',
)
OUR_WORDS = (prompt.TOOLS_HEAD, prompt.TOOLS_TAIL.removeprefix("\n</tools>\n\n"))

USER = {"role": "user", "content": "What is 2 + 2?"}
SYSTEM = {"role": "system", "content": "Be brief."}
ANSWER = {"role": "assistant", "content": "It is 4."}
THOUGHTFUL = {"role": "assistant", "content": "<think>\nTwo and two.\n</think>\n\nIt is 4."}
REASONED = {"role": "assistant", "content": "It is 4.", "reasoning_content": "\nTwo and two.\n"}
CALL = {
    "role": "assistant",
    "content": "",
    "tool_calls": [{"type": "function", "function": {"name": "get_weather", "arguments": {"city": "北京", "days": 3}}}],
}
CALL_AS_TEXT = {
    "role": "assistant",
    "content": "Let me see.",
    "tool_calls": [{"function": {"name": "f", "arguments": '{"a": 1}'}}],
}
BARE_CALL = {
    "role": "assistant",
    "content": "",
    "tool_calls": [{"name": "f", "arguments": {"a": [1, 2.5, None, True]}}],
}
TWO_CALLS = {"role": "assistant", "content": "", "tool_calls": [*CALL["tool_calls"], *CALL_AS_TEXT["tool_calls"]]}
RESULT = {"role": "tool", "content": '{"temperature": 21}'}
WRAPPED = {"role": "user", "content": "<tool_response>\n21\n</tool_response>"}
PARTS = {"role": "user", "content": [{"type": "text", "text": "Hello"}]}
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "天气 & <weather>",
            "parameters": {"type": "object", "properties": {}},
        },
    },
    {
        "type": "function",
        "function": {"name": "f", "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}}},
    },
]

HISTORIES: dict[str, list[dict[str, Any]]] = {
    "one question": [USER],
    "system": [SYSTEM, USER],
    "system later": [USER, ANSWER, SYSTEM, USER],
    "two turns": [USER, ANSWER, USER],
    "thought in an old turn": [USER, THOUGHTFUL, USER],
    "reasoning field in an old turn": [USER, REASONED, USER],
    "answer last": [USER, ANSWER],
    "thought last": [USER, THOUGHTFUL],
    "reasoning field last": [USER, REASONED],
    "call and result": [USER, CALL, RESULT],
    "call with thought and result": [USER, {**CALL, "reasoning_content": "I need the weather."}, RESULT],
    "arguments as text": [USER, CALL_AS_TEXT, RESULT],
    "call without function key": [USER, BARE_CALL, RESULT],
    "two calls, two results": [USER, TWO_CALLS, RESULT, RESULT],
    "result, answer, question": [SYSTEM, USER, CALL, RESULT, ANSWER, USER],
    "two rounds of calls": [USER, CALL, RESULT, CALL_AS_TEXT, RESULT],
    "result first": [RESULT, USER],
    "result as a user message": [USER, CALL, WRAPPED],
    "content in parts": [PARTS],
    "only an answer": [ANSWER],
    "newlines": [{"role": "user", "content": "\n\na\n"}, {"role": "assistant", "content": "\n\nb\n"}, USER],
    "closing mark only": [USER, {"role": "assistant", "content": "so\n</think>\n\nIt is 4."}],
}


def _render(template: str, messages: list[dict[str, Any]], tools: list[dict[str, Any]] | None, **options: Any) -> str:
    rendered, _ = render_jinja_template([messages], tools=tools, chat_template=template, **options)
    return str(rendered[0])


@pytest.mark.skipif(not QWEN3.exists(), reason="Qwen3's chat template is not on this machine (shared/qwen/templates)")
@pytest.mark.parametrize("tools", [None, TOOLS], ids=["no tools", "tools"])
@pytest.mark.parametrize(
    "opening",
    [{}, {"enable_thinking": True}, {"enable_thinking": False}, None],
    ids=["open", "think", "no think", "closed"],
)
@pytest.mark.parametrize("name", HISTORIES)
def test_equals_qwen3(name: str, opening: dict[str, Any] | None, tools: list[dict[str, Any]] | None) -> None:
    options = {"add_generation_prompt": opening is not None, **(opening or {})}
    theirs = _render(QWEN3.read_text("utf-8"), HISTORIES[name], tools, **options)
    for qwen, ours in zip(QWEN_WORDS, OUR_WORDS, strict=True):
        assert not tools or qwen in theirs
        theirs = theirs.replace(qwen, ours)
    assert _render(OURS, HISTORIES[name], tools, **options) == theirs


def test_corpus_renders_as_the_template_does() -> None:
    for example in itertools.islice(corpus.examples("template"), 400):
        rendered = _render(
            OURS,
            list(example.messages),
            list(example.tools) or None,
            add_generation_prompt=True,
            enable_thinking=example.thinking,
        )
        assert prompt.read(example) == rendered


def test_prompt_and_answer_are_cut_into_tokens_apart_as_together() -> None:
    """Training joins the tokens of both; the engine continues the prompt's tokens."""
    tokenizer = AutoTokenizer.from_pretrained(PACKAGE)
    rng = random.Random("boundary")
    for _ in range(300):
        example = corpus.example(rng)
        read, written = prompt.read(example), prompt.write_answer(example)
        both = (
            tokenizer(read, add_special_tokens=False)["input_ids"]
            + tokenizer(written, add_special_tokens=False)["input_ids"]
        )
        assert both == tokenizer(read + written, add_special_tokens=False)["input_ids"]
