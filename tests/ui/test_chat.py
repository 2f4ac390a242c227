"""A conversation in a real browser, through a real gateway, with an engine that does what the messages say."""

from __future__ import annotations

from playwright.sync_api import expect

from loadtest.engine.journal import Journal
from loadtest.engine.script import Script, script_text
from tests.support.gateway import Gateway
from tests.ui.conftest import Open
from tests.ui.visitor import Visitor

CALL = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "北京", "days": 2}}\n</tool_call>'


def test_the_first_token_is_seen_while_the_stream_runs_and_stopping_ends_it_in_the_engine(
    visitor: Visitor, journal: Journal
) -> None:
    visitor.says(Script(tag="ui-stop", text="one two three four", hang_after=6))
    expect(visitor.text).to_contain_text("one")
    expect(visitor.answer).to_have_attribute("aria-busy", "true")
    assert not journal.records("ui-stop", "end"), "the stream still runs"
    visitor.stop.click()
    journal.wait_for("ui-stop", "cancel")
    assert journal.wait_for("ui-stop", "end")["reason"] == "cancel"
    expect(visitor.figures).to_contain_text("stopped by you")
    expect(visitor.text).to_contain_text("one")
    expect(visitor.failure).to_have_count(0)
    visitor.ended()


def test_escape_stops_too_even_before_the_first_token(visitor: Visitor, journal: Journal) -> None:
    visitor.says(Script(tag="ui-escape", text="never", hang_after=0))
    journal.wait_for("ui-escape", "hang")
    visitor.page.keyboard.press("Escape")
    journal.wait_for("ui-escape", "cancel")
    expect(visitor.figures).to_contain_text("stopped by you")
    assert "first token" not in visitor.figures.inner_text(), "nothing that was not measured"


def test_what_is_measured_of_an_answer(visitor: Visitor) -> None:
    visitor.asks(Script(text="one two three four five six", delay_ms=30))
    for figure in ("first token", "tokens/s", "tokens", "prompt", "in all"):
        expect(visitor.figures).to_contain_text(figure)
    visitor.page.locator("#sampling-max_tokens").fill("3")
    visitor.asks(Script(text="one two three four five six", repeat=True))
    expect(visitor.figures).to_contain_text("3 tokens")
    expect(visitor.figures).to_contain_text("cut at its greatest length")


def test_everything_that_is_set_is_sent_and_nothing_else(visitor: Visitor) -> None:
    visitor.asks("hello")
    assert visitor.sent[-1] == {
        "model": "direct",
        "messages": [{"role": "user", "content": "hello"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    page = visitor.page
    page.get_by_label("System prompt").fill("Be brief.")
    given = {"temperature": 0.5, "top_p": 0.9, "top_k": 40, "max_tokens": 50, "seed": 7}
    given |= {"frequency_penalty": -0.5, "presence_penalty": 0.25, "repetition_penalty": 1.1}
    for name, value in given.items():
        page.locator(f"#sampling-{name}").fill(str(value))
    page.get_by_label("Stop strings").fill("END\n\\n\\n")
    visitor.asks("hello again")
    body = visitor.sent[-1]
    assert {name: body[name] for name in given} == given
    assert body["stop"] == ["END", "\n\n"]
    assert body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": "hello"},
        {"role": "user", "content": "hello again"},
    ]
    page.get_by_role("button", name="Reset").click()
    visitor.asks("and again")
    assert not given.keys() & visitor.sent[-1].keys()


def test_the_slider_and_its_number_are_one(visitor: Visitor) -> None:
    slider = visitor.page.get_by_role("slider", name="temperature")
    number = visitor.page.locator("#sampling-temperature")
    slider.fill("1.5")
    expect(number).to_have_value("1.5")
    number.fill("9")
    expect(number).to_have_attribute("aria-invalid", "true")
    visitor.asks("hello")
    assert visitor.sent[-1]["temperature"] == 1.5, "the last good value holds"
    visitor.page.get_by_role("button", name="Leave it to the server").first.click()
    visitor.asks("hello")
    assert "temperature" not in visitor.sent[-1]


def test_again_and_edit(visitor: Visitor) -> None:
    visitor.asks(Script(text="the first answer"))
    visitor.asks(Script(text="the second answer"))
    visitor.answer.get_by_role("button", name="Try again").click()
    visitor.ended()
    expect(visitor.page.locator("article")).to_have_count(4)
    assert visitor.sent[-1] == visitor.sent[-2]
    visitor.page.locator("article.user").first.get_by_role("button", name="Edit").click()
    expect(visitor.page.locator("article")).to_have_count(0)
    expect(visitor.prompt).to_have_value(script_text(Script(text="the first answer")))
    visitor.asks(Script(text="another answer"))
    expect(visitor.text).to_have_text("another answer")
    assert len(visitor.sent[-1]["messages"]) == 1


def test_a_call_and_its_result(visitor: Visitor) -> None:
    page = visitor.page
    page.get_by_role("button", name="Example").click()
    expect(page.locator("#tools-said")).to_have_text("Offered: get_weather")
    visitor.asks(Script(text=f"Let me see.\n{CALL}"))
    call = visitor.answer.locator(".call")
    expect(call.locator(".call-name code")).to_have_text("get_weather")
    expect(call.locator("pre")).to_contain_text('"city": "北京"')
    expect(visitor.text).to_have_text("Let me see.")
    result = script_text(Script(text="It is sunny."))
    call.get_by_label("Result").fill(result)
    page.get_by_role("button", name="Give back to the model").click()
    expect(visitor.text).to_have_text("It is sunny.")
    visitor.ended()
    _, asked, given = visitor.sent[-1]["messages"]
    assert asked["content"] == "Let me see."
    assert asked["tool_calls"][0]["function"] == {"name": "get_weather", "arguments": '{"city": "北京", "days": 2}'}
    assert given == {"role": "tool", "tool_call_id": asked["tool_calls"][0]["id"], "content": result}


def test_tools_that_are_not_right_are_said_and_not_sent(visitor: Visitor) -> None:
    said = visitor.page.locator("#tools-said")
    for written, problem in (
        ("[{", "not JSON"),
        ("{}", "are a list"),
        ('[{"type": "function"}]', "Tool 1 needs"),
        ('[{"type": "function", "function": {"name": "a b"}}]', "function name"),
        ('[{"type": "function", "function": {"name": "a", "parameters": []}}]', "JSON schema"),
    ):
        visitor.page.locator("#tools").fill(written)
        expect(said).to_contain_text(problem)
    visitor.says("hello")
    expect(visitor.page.locator("#composer-note")).to_contain_text("The tools are not right yet")
    expect(visitor.prompt).to_have_value("hello")
    assert not visitor.sent


def test_thinking_is_folded(visit: Open, gateway: Gateway) -> None:
    visitor = visit(gateway).open(model="thinker")
    visitor.asks(Script(text="<think>\nTwo and two.\n</think>\n\nFour."))
    expect(visitor.text).to_have_text("Four.")
    thought = visitor.answer.locator("details.thinking")
    expect(thought.get_by_text("Two and two.")).to_be_hidden()
    thought.locator("summary").click()
    expect(thought.get_by_text("Two and two.")).to_be_visible()
    visitor.page.locator("#thinking").select_option("off")
    visitor.asks(Script(text="Five."))
    assert visitor.sent[-1]["chat_template_kwargs"] == {"enable_thinking": False}


def test_probabilities(visitor: Visitor) -> None:
    visitor.page.get_by_label("Log-probabilities of tokens").check()
    visitor.asks(Script(text="hello world", log_probs=[-0.05, -3.0, -0.7]))
    tokens = visitor.answer.locator(".token-strip span")
    assert "".join(tokens.all_text_contents()) == "hello world"
    expect(tokens.nth(0)).to_have_attribute("data-step", "0")
    expect(tokens.nth(1)).to_have_attribute("data-step", "4")
    said = visitor.answer.locator(".token-said")
    tokens.nth(1).hover()
    expect(said).to_contain_text("5.0 %")
    visitor.answer.locator(".token-strip").press("ArrowLeft")
    expect(said).to_contain_text("95.1 %")
    expect(visitor.figures).to_contain_text("perplexity")
    visitor.answer.get_by_role("button", name="Show text").click()
    expect(visitor.text).to_have_text("hello world")


def test_the_conversation_outlives_a_reload_and_a_new_chat_ends_it(visitor: Visitor) -> None:
    visitor.page.get_by_label("System prompt").fill("Be kind.")
    visitor.asks(Script(text="still here"))
    visitor.page.reload()
    expect(visitor.text).to_have_text("still here")
    expect(visitor.page.get_by_label("System prompt")).to_have_value("Be kind.")
    visitor.page.get_by_role("button", name="New chat").click()
    expect(visitor.page.locator("article")).to_have_count(0)
    expect(visitor.page.get_by_role("heading", name="Ask the model something")).to_be_visible()


def test_keys_of_the_keyboard(visitor: Visitor) -> None:
    prompt = visitor.prompt
    expect(prompt).to_be_focused()
    prompt.type("one")
    prompt.press("Shift+Enter")
    prompt.type("two")
    expect(prompt).to_have_value("one\ntwo")
    # While an input method composes, Enter is the input method's.
    visitor.page.evaluate(
        "document.querySelector('#prompt').dispatchEvent("
        "new KeyboardEvent('keydown', {key: 'Enter', isComposing: true, bubbles: true, cancelable: true}))"
    )
    assert not visitor.sent
    prompt.press("Enter")
    visitor.ended()
    assert visitor.sent[-1]["messages"] == [{"role": "user", "content": "one\ntwo"}]
