"""Tools through Anthropic's own client, in front of a real gateway and a real tritonserver."""

from __future__ import annotations

import json
from typing import Any

import anthropic

from loadtest.engine.script import Script, script_text
from tests.gateway.asking import messages
from tests.gateway.messages.asking import CALL, CALL_TIME, TIME, WEATHER, ask, blocks, both, every_route, seen
from tests.support.gateway import Gateway
from tests.support.tokenizer import TokenizerFolder
from tests.support.triton import ScriptedTriton


@both
@every_route
def test_calls(client: anthropic.Anthropic, route: str, stream: bool) -> None:
    script = Script(text=f"Let me see.\n{CALL}\n{CALL_TIME}", chunk=2)
    message = ask(client, script, stream=stream, model=route, tools=[WEATHER, TIME])
    text, weather, clock = blocks(message)
    assert text == {"type": "text", "text": "Let me see."}
    assert (weather["name"], weather["input"]) == ("天气", {"city": '聪明 "x"'})
    assert (clock["name"], clock["input"]) == ("clock", {})
    assert weather["id"] != clock["id"]
    assert message.stop_reason == "tool_use"


@both
def test_one_call_where_several_are_not_wanted(client: anthropic.Anthropic, stream: bool) -> None:
    choice = {"type": "auto", "disable_parallel_tool_use": True}
    script = Script(text=f"{CALL}\n{CALL_TIME}")
    message = ask(client, script, stream=stream, tools=[WEATHER, TIME], tool_choice=choice)
    assert [block["name"] for block in blocks(message)] == ["天气"]


@both
def test_a_tool_that_is_named_must_be_used(client: anthropic.Anthropic, stream: bool) -> None:
    script = Script(text=CALL)
    choice = {"type": "tool", "name": "天气"}
    message = ask(client, script, stream=stream, tools=[WEATHER, TIME], tool_choice=choice)
    assert [(block["name"], block["input"]) for block in blocks(message)] == [("天气", {"city": '聪明 "x"'})]
    assert message.stop_reason == "tool_use"


@both
def test_some_tool_must_be_used(client: anthropic.Anthropic, stream: bool) -> None:
    script = Script(text=CALL_TIME)
    message = ask(client, script, stream=stream, tools=[WEATHER, TIME], tool_choice={"type": "any"})
    assert [block["name"] for block in blocks(message)] == ["clock"]


@both
def test_tools_that_must_not_be_used_are_text(client: anthropic.Anthropic, stream: bool) -> None:
    message = ask(client, Script(text=CALL), stream=stream, tools=[WEATHER], tool_choice={"type": "none"})
    assert blocks(message) == [{"type": "text", "text": CALL}]


@both
def test_an_agents_loop(
    client: anthropic.Anthropic, scripted_triton: ScriptedTriton, tokenizer: TokenizerFolder, stream: bool
) -> None:
    """What the model said goes back as the SDK has it, with the tool's answer; the prompt holds both."""
    turns: list[Any] = messages(Script(text=f"Let me see.\n{CALL}"))
    first = ask(client, turns, stream=stream, tools=[WEATHER])
    call = next(block for block in first.content if block.type == "tool_use")
    script = Script(tag=f"loop-{stream}", text="Sunny.")
    result = {"type": "tool_result", "tool_use_id": call.id, "content": [{"type": "text", "text": "21°"}]}
    more = {"type": "text", "text": script_text(script)}
    turns += [{"role": "assistant", "content": first.content}, {"role": "user", "content": [more, result]}]
    assert blocks(ask(client, turns, stream=stream, tools=[WEATHER])) == [{"type": "text", "text": "Sunny."}]
    prompt = seen(scripted_triton, tokenizer, script.tag)
    assert prompt.endswith(
        "<|im_start|>assistant\nLet me see.\n"
        '<tool_call>\n{"name": "天气", "arguments": {"city": "聪明 \\"x\\""}}\n</tool_call><|im_end|>\n'
        "<|im_start|>user\n<tool_response>\n21°\n</tool_response><|im_end|>\n"
        f"<|im_start|>user\n{more['text']}<|im_end|>\n<|im_start|>assistant\n"
    )


SCHEMA = {
    "type": "object",
    "properties": {"ok": {"type": "boolean"}},
    "required": ["ok"],
    "additionalProperties": False,
}


@both
def test_a_real_engine_is_held_to_schemas(served: Gateway, stream: bool) -> None:
    """A tiny Qwen with random weights says nothing sensible, but in the form that was asked for."""
    greedy = {"temperature": 0}  # which the SDK no longer has a name for
    with anthropic.Anthropic(base_url=served.url, api_key="none", max_retries=0) as client:
        config = {"format": {"type": "json_schema", "schema": SCHEMA}}
        message = ask(client, messages("Yes?"), stream=stream, output_config=config, extra_body=greedy)
        assert set(json.loads(message.content[0].text)) == {"ok"}
        tool = {"name": "answer", "input_schema": SCHEMA}
        choice = {"type": "any", "disable_parallel_tool_use": True}
        message = ask(client, messages("Yes?"), stream=stream, tools=[tool], tool_choice=choice, extra_body=greedy)
        assert [(block["name"], set(block["input"])) for block in blocks(message)] == [("answer", {"ok"})]
        assert message.stop_reason == "tool_use"
