"""A chat that is not streamed. Pure but for asking."""

from __future__ import annotations

from typing import Any

from gateway.commands.check.exchange import text_of
from gateway.commands.check.target import COUNT, HELLO, Target
from gateway.commands.check.verdict import Missed, NotApplicable, check, need, reach, shown

REASONS = ("stop", "length", "tool_calls", "content_filter", "function_call")
OPENAI_DEFAULT = 16  # tokens, of completions; servers that take it for chats cut every answer
SECONDS = range(1_500_000_000, 10_000_000_000)  # of this century, and no milliseconds


def choice(reply: dict[str, Any]) -> dict[str, Any]:
    """The first choice of a reply."""
    found: dict[str, Any] = reach(reply, "choices", 0, kind=dict)
    return found


def need_usage(usage: Any) -> None:
    """Missed unless these counts can be true."""
    counts = [reach(usage, name, kind=int) for name in ("prompt_tokens", "completion_tokens", "total_tokens")]
    need(counts[0] > 0, "prompt_tokens above 0", counts[0])
    need(counts[1] > 0, "completion_tokens above 0", counts[1])
    need(counts[2] == counts[0] + counts[1], "total_tokens is the sum of the others", usage)


@check("chat.object", 'SDKs\' stream helpers assert on it, routers tell replies apart by it: "chat.completion".')
def kind(target: Target) -> None:
    reply = target.chat().ok().json
    need(reply.get("object") == "chat.completion", '"object": "chat.completion"', reply.get("object"))


@check("chat.id", "Clients file answers under it: chatcmpl-…, another for each answer.")
def own_id(target: Target) -> None:
    one, other = (reach(reply.ok().json, "id", kind=str) for reply in (target.chat(), target.chat(COUNT)))
    need(one.startswith("chatcmpl-"), "an id that begins with chatcmpl-", one)
    need(one != other, "another id for another answer", f"{shown(one)} twice")


@check("chat.created", "Clients show it as a date: seconds since 1970, as a whole number.")
def created(target: Target) -> None:
    found = reach(target.chat().ok().json, "created", kind=int)
    need(found in SECONDS, "seconds since 1970", found)


@check("chat.model", "Cost and logging tools read which model answered.")
def model(target: Target) -> None:
    need(bool(reach(target.chat().ok().json, "model", kind=str)), "the model's name", "an empty text")


@check("chat.choices", "Every client reads choices[0]; index tells several apart.")
def choices(target: Target) -> None:
    reply = target.chat().ok().json
    found = reach(reply, "choices", kind=list)
    need(len(found) == 1, "one choice", f"{len(found)}")
    need(reach(reply, "choices", 0, "index") == 0, '"index": 0', reply["choices"][0]["index"])


@check("chat.message", "role, content and refusal are required keys; typed clients fail where one is missing.")
def message(target: Target) -> None:
    reply = target.chat().ok().json
    need(
        reach(choice(reply), "message", "role") == "assistant", '"role": "assistant"', choice(reply)["message"]["role"]
    )
    reach(choice(reply), "message", "content", kind=(str, type(None)))
    reach(choice(reply), "message", "refusal", kind=(str, type(None)))


@check("chat.finish-reason", "Agents decide by it whether to go on; typed SDKs know these words only.")
def finish_reason(target: Target) -> None:
    found = reach(choice(target.chat().ok().json), "finish_reason")
    need(found in REASONS, " or ".join(REASONS), found)


@check("chat.length", 'Clients ask for more where an answer was cut; one that is always "stop" looks whole.')
def length(target: Target) -> None:
    found = reach(choice(target.chat(COUNT, max_tokens=4).ok().json), "finish_reason")
    need(found == "length", '"length" at max_tokens', found)


@check("chat.max-tokens", "A limit that is not kept costs money and overflows contexts.")
def max_tokens(target: Target) -> None:
    _need_limit(target.chat(COUNT, max_tokens=4).ok().json)


@check("chat.max-completion-tokens", "Its newer name, which current SDKs and frameworks send.")
def max_completion_tokens(target: Target) -> None:
    reply = target.chat(COUNT, max_tokens=None, max_completion_tokens=4).ok().json
    _need_limit(reply)
    need(reach(choice(reply), "finish_reason") == "length", '"length"', choice(reply)["finish_reason"])


@check("chat.no-limit", "Most clients send no limit and expect the whole answer, not sixteen tokens of it.")
def no_limit(target: Target) -> None:
    exchange = target.begin(COUNT, events=4 * OPENAI_DEFAULT, max_tokens=None)
    length = sum(map(len, text_of(exchange.deltas)))  # a chunk may be many tokens, which are short in numbers
    cut = exchange.choices()[-1].get("finish_reason") == "length" and length < 4 * OPENAI_DEFAULT
    need(not cut, "an answer as long as it needs to be", f"cut after {length} characters, with no limit in the request")


@check("chat.usage", "Budgets and limits of frameworks are counted from it; zeros are worse than nothing.")
def usage(target: Target) -> None:
    need_usage(reach(target.chat().ok().json, "usage", kind=dict))


@check("chat.stop", "Prompts of agents end at a stop string; what comes after it confuses them.")
def stop(target: Target) -> None:
    word = _middle(target)
    _need_stopped(target.chat(COUNT, max_tokens=400, stop=word).ok().json, word)


@check("chat.stop-list", "SDKs send a list as often as a text.")
def stop_list(target: Target) -> None:
    word = _middle(target)
    _need_stopped(target.chat(COUNT, max_tokens=400, stop=["no such text in it", word]).ok().json, word)


@check("chat.n", "Several answers come with the index that tells them apart.")
def several(target: Target) -> None:
    reply = target.chat(n=2, temperature=1).offered("n = 2").json
    indexes = [reach(reply, "choices", number, "index") for number in range(len(reach(reply, "choices", kind=list)))]
    need(indexes == [0, 1], "choices with index 0 and 1", indexes)


@check("chat.parts", "Clients that know pictures send text as a list of parts as well.")
def parts(target: Target) -> None:
    target.chat(messages=[{"role": "user", "content": [{"type": "text", "text": HELLO}]}]).ok()


@check("chat.dialogue", "Every second question carries what was said before it, and most a system prompt.")
def dialogue(target: Target) -> None:
    said = [("system", "You are brief."), ("user", HELLO), ("assistant", "Hello!"), ("user", "And again?")]
    target.chat(messages=[{"role": role, "content": content} for role, content in said]).ok()


def _need_limit(reply: dict[str, Any]) -> None:
    tokens = reach(reply, "usage", "completion_tokens", kind=int)
    need(0 < tokens <= 4, "1 to 4 completion_tokens for a limit of 4", tokens)


def _middle(target: Target) -> str:
    """Two characters from the middle of what the model says anyway."""
    text = (
        reach(choice(target.chat(COUNT, max_tokens=400).ok().json), "message", "content", kind=(str, type(None))) or ""
    )
    middle = text[len(text) // 2 :][:2].strip()
    if not middle:
        raise NotApplicable("the model says too little to take a stop string from")
    return middle


def _need_stopped(reply: dict[str, Any], word: str) -> None:
    text = reach(choice(reply), "message", "content", kind=(str, type(None))) or ""
    if word in text:
        raise Missed(f"no {word!r} in the text: the stop string ends the answer and is not part of it", shown(text))
    found = reach(choice(reply), "finish_reason")
    need(found in ("stop", "length"), '"stop"', found)


CHECKS = (
    kind,
    own_id,
    created,
    model,
    choices,
    message,
    finish_reason,
    length,
    max_tokens,
    max_completion_tokens,
    no_limit,
    usage,
    stop,
    stop_list,
    several,
    parts,
    dialogue,
)
