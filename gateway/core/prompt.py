"""Checked requests → generations: the chat template, token ids, the context check, guides, and how the answer is to be
read. Pure: id and seed are passed in.

It knows what OpenAI's fields mean for a generation. It must not know tensors or JSON replies.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gateway.core import guides, sampling
from gateway.core.errors import ContextLengthExceeded, RequestError, UnsupportedField
from gateway.core.history import template_messages, template_tools
from gateway.core.parse.answer import thinking_state
from gateway.core.quote import strings
from gateway.core.sampling import ModelLimits
from gateway.core.schema.base import ignored
from gateway.core.schema.chat import UNSERVED, ChatRequest, SamplingFields
from gateway.core.schema.completions import CompletionRequest
from gateway.core.schema.message import NamedTool
from gateway.core.types import PLAIN, ChatInput, Generate, Guide, Prompt, Reading, Thinking, Tokenizer

# Variables of a template that the request has fields of its own for.
RESERVED = ("messages", "tools", "documents", "add_generation_prompt", "continue_final_message", "chat_template")
# Text longer than this for each token of the context is counted before it is rendered. Few texts have tokens this long.
CHARACTERS_PER_TOKEN = 8
CHUNK = 64 * 1024


def build_chat(
    request: ChatRequest, limits: ModelLimits, tokenizer: Tokenizer, *, id: str, seed: int
) -> tuple[Generate, ...]:
    """The generations a chat asks for: one for each of ``n``. ``seed`` is used where the request has none."""
    prompt = render(request, limits, tokenizer)
    guide = guides.requested(request)
    reading = _reading(request, tokenizer, prompt)
    guide, prefill = _forced_calls(request, limits, reading, guide)
    if guide is not None and prefill is None:
        guide = _supported(guides.after_thinking(guide, reading.thinking), limits, reading.thinking)
    if prefill is not None:
        prompt, reading = _prefilled(prompt, reading, prefill, tokenizer)
    param = "max_tokens" if request.max_completion_tokens is None else "max_completion_tokens"
    most = sampling.max_tokens(getattr(request, param), limits, len(prompt.ids), param=param, what="messages")
    if request.top_logprobs:
        raise UnsupportedField(
            "'top_logprobs' is not supported: the engine gives the log-probability of the chosen token only. Leave it "
            "out or send 0.",
            param="top_logprobs",
        )
    generate = _generate(
        request,
        limits,
        tokenizer,
        prompt,
        most,
        id=id,
        seed=seed,
        guide=guide,
        reading=reading,
        logprobs=bool(request.logprobs),
    )
    return sampling.choices([generate], request.n or 1)


def build_completion(
    request: CompletionRequest, limits: ModelLimits, tokenizer: Tokenizer, *, id: str, seed: int
) -> tuple[Generate, ...]:
    """The generations a completion asks for: ``n`` for each prompt, taken as it is, control tokens included."""
    if request.logprobs:
        raise UnsupportedField(
            "'logprobs' above 0 is not supported: the engine gives the log-probability of the chosen token only. "
            "Send 0.",
            param="logprobs",
        )
    guide = guides.requested(request)
    generates = []
    for row, text in enumerate(request.prompts):
        prompt = _raw_prompt(text, limits, tokenizer)
        # The older API's default is 16 tokens; that surprises nobody who reads its description.
        most = sampling.max_tokens(request.max_tokens, limits, len(prompt.ids), param="max_tokens", what="prompt")
        if request.max_tokens is None:
            most = min(most, 16)
        generates.append(
            _generate(
                request,
                limits,
                tokenizer,
                prompt,
                most,
                id=id,
                seed=seed + row,
                guide=None if guide is None else _supported(guide, limits, "off"),
                logprobs=request.logprobs is not None,
            )
        )
    return sampling.choices(generates, request.n or 1)


def render(request: ChatRequest, limits: ModelLimits, tokenizer: Tokenizer) -> Prompt:
    """The prompt of a chat. ContextLengthExceeded early where the text is far too long to be worth rendering."""
    messages = template_messages(
        [message.plain for message in request.messages], reasoning="reasoning_content" in tokenizer.variables
    )
    tools = () if request.tool_choice == "none" else template_tools(tool.plain for tool in request.tools or ())
    # Not the thinking of earlier turns, which templates leave out.
    shown = [(message.get("content"), message.get("tool_calls")) for message in messages]
    _check_size((shown, tools), limits, tokenizer)
    return tokenizer.chat(
        ChatInput(
            messages=messages,
            tools=tools,
            options=_options(request, tokenizer),
            continue_final=bool(request.continue_final_message),
            generation_prompt=request.add_generation_prompt
            if request.add_generation_prompt is not None
            else not request.continue_final_message,
        )
    )


def ignored_fields(request: SamplingFields, tokenizer: Tokenizer) -> tuple[str, ...]:
    """Fields of the request that change nothing because nobody here knows them."""
    options = getattr(request, "chat_template_kwargs", None) or {}
    unread = tuple(f"chat_template_kwargs.{name}" for name in options if name not in tokenizer.variables)
    return (*ignored(request, known=UNSERVED), *unread)


def _options(request: ChatRequest, tokenizer: Tokenizer) -> Mapping[str, Any]:
    options = dict(request.chat_template_kwargs or {})
    for name in RESERVED:
        if name in options:
            raise RequestError(
                f"'chat_template_kwargs.{name}' is not allowed; the request has a field for it, or nothing may.",
                param="chat_template_kwargs",
            )
    effort = request.reasoning_effort
    if effort is None:
        return options
    thinks = effort not in ("none", "minimal")
    if "enable_thinking" in tokenizer.variables:
        if options.setdefault("enable_thinking", thinks) is not thinks:
            raise RequestError(
                "'reasoning_effort' and 'chat_template_kwargs.enable_thinking' contradict each other.",
                param="reasoning_effort",
            )
    elif thinks != tokenizer.thinks:
        state = "cannot be told not to think" if tokenizer.thinks else "does not think"
        raise UnsupportedField(
            f"'reasoning_effort' cannot be honoured: this model {state}. Leave the field out.", param="reasoning_effort"
        )
    return options


def _reading(request: ChatRequest, tokenizer: Tokenizer, prompt: Prompt) -> Reading:
    with_tools = bool(request.tools) and request.tool_choice != "none"
    if with_tools and tokenizer.call_style is None:
        raise UnsupportedField("'tools' cannot be used: this model's chat template knows no tools.", param="tools")
    return Reading(
        thinking=thinking_state(prompt.text, thinks=tokenizer.thinks),
        calls=tokenizer.call_style if with_tools else None,
        tools={tool.function.name: tool.function.parameters or {} for tool in request.tools or ()}
        if with_tools
        else {},
        parallel=request.parallel_tool_calls is not False,
        named=isinstance(request.tool_choice, NamedTool),
    )


def _forced_calls(
    request: ChatRequest, limits: ModelLimits, reading: Reading, guide: Guide | None
) -> tuple[Guide | None, str | None]:
    """The guide with tools in it, or where the engine has no structural tags the beginning of the call to put into the
    prompt: that works with every engine, and only costs the freedom to think first."""
    choice = request.tool_choice
    if reading.calls is None:
        return guide, None
    name = choice.function.name if isinstance(choice, NamedTool) else None
    tools = [(tool, schema) for tool, schema in reading.tools.items() if name in (None, tool)]
    if name is None and choice != "required":
        return (None if guide is None else guides.or_call(guide, tools, reading.calls)), None
    if guide is not None:
        raise RequestError(
            f"'{guide.field}' and 'tool_choice' both say what the answer must look like. Send one of them.",
            param=guide.field,
        )
    if "structural_tag" in limits.guides:
        parallel = reading.parallel and name is None
        return guides.calls(tools, reading.calls, parallel=parallel), None
    return None, guides.call_opening(name, reading.calls)


def _supported(guide: Guide, limits: ModelLimits, thinking: Thinking) -> Guide:
    if guide.kind in limits.guides:
        return guide
    if guide.kind == "structural_tag" and limits.guides:
        remedy = (
            'turn thinking off: {"chat_template_kwargs": {"enable_thinking": false}}'
            if thinking != "off"
            else "set 'tool_choice' to 'none'"
        )
        raise UnsupportedField(
            f"'{guide.field}' together with thinking or tools needs structural tags, which the Triton model does not "
            f"offer. Leave it out, or {remedy}.",
            param=guide.field,
        )
    raise UnsupportedField(
        f"'{guide.field}' needs guided decoding ({guide.kind}), which the Triton model does not offer. Build its "
        "repository with it (model-repo-builder repo --help: a contract that has guided_decoding_guide, or "
        "--engine openvino), or leave the field out.",
        param=guide.field,
    )


def _prefilled(prompt: Prompt, reading: Reading, opening: str, tokenizer: Tokenizer) -> tuple[Prompt, Reading]:
    """The prompt with the call begun. An open thought is closed; a model that would think is told that it has."""
    thought = {"off": "", "maybe": "<think>\n\n</think>\n\n", "inside": "\n</think>\n\n"}[reading.thinking]
    opening = opening.rstrip(" ")  # a token of its own here, part of the next token where the model writes it
    added = thought + opening
    return (
        replace(prompt, text=prompt.text + added, ids=(*prompt.ids, *tokenizer.encode(added))),
        replace(reading, thinking="off", prefill=opening),
    )


def _raw_prompt(given: str | list[int], limits: ModelLimits, tokenizer: Tokenizer) -> Prompt:
    if isinstance(given, str):
        _check_size(given, limits, tokenizer, what="prompt")
        return Prompt(given, tuple(tokenizer.encode(given)))
    if len(given) > limits.max_model_len:  # before millions of them are looked at
        raise ContextLengthExceeded(
            f"This model's maximum context length is {limits.max_model_len} tokens, but the prompt has {len(given)}. "
            "Shorten the prompt.",
            param="prompt",
        )
    size = len(tokenizer.table)
    strange = next((id for id in given if id >= size), None)
    if strange is not None:
        raise RequestError(
            f"Invalid 'prompt': token {strange} does not exist; this model's ids are 0 to {size - 1}.", param="prompt"
        )
    text = b"".join(tokenizer.table[id] for id in given).decode("utf-8", "replace")
    return Prompt(text, tuple(given), exact=tokenizer.encode(text) == given)


def _generate(
    request: SamplingFields,
    limits: ModelLimits,
    tokenizer: Tokenizer,
    prompt: Prompt,
    most: int,
    *,
    id: str,
    seed: int,
    guide: Guide | None,
    logprobs: bool,
    reading: Reading = PLAIN,
) -> Generate:
    sampling.check_min_tokens(request, most)
    vocabulary = len(tokenizer.table)
    return Generate(
        id=id,
        model=request.model,
        prompt=prompt,
        max_tokens=most,
        end_ids=sampling.end_ids(request, limits, vocabulary),
        sampling=sampling.sampling(request, vocabulary, seed),
        stop=request.stop_strings,
        include_stop=bool(request.include_stop_str_in_output),
        running_usage=request.continuous_usage,
        logprobs=logprobs,
        guide=guide,
        adapter=limits.adapter,
        vocab_size=limits.vocab_size,
        reading=reading,
    )


def _check_size(value: Any, limits: ModelLimits, tokenizer: Tokenizer, *, what: str = "messages") -> None:
    """Refuse what cannot fit before the template and the tokenizer work through all of it: megabytes take them
    seconds."""
    texts = list(strings(value))
    if sum(map(len, texts)) <= limits.max_model_len * CHARACTERS_PER_TOKEN:
        return
    counted = 0
    for text in texts:
        for start in range(0, len(text), CHUNK):
            counted += len(tokenizer.encode(text[start : start + CHUNK]))
            if counted > limits.max_model_len:
                raise ContextLengthExceeded(
                    f"This model's maximum context length is {limits.max_model_len} tokens, but the {what} are more "
                    f"than that. Shorten the {what}.",
                    param=what,
                )
