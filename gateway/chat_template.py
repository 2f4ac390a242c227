"""A checkpoint's chat template: what it reads and teaches, and rendering it as transformers' ``apply_chat_template``.

It knows Jinja, and what transformers does to messages before a template sees them. It must not know tokens, requests'
schemas or HTTP.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from jinja2 import Template, TemplateError, TemplateSyntaxError, meta, nodes

from gateway.core.errors import RequestError, SettingsError
from gateway.core.types import CallStyle, ChatInput
from gateway.sandbox import environment

# What a template does with messages it was not written for: about the request, not about the gateway.
_REFUSALS = (
    TemplateError,
    TypeError,
    ValueError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RecursionError,
    MemoryError,
)
# What else apply_chat_template takes, and means something else by: clients find there that it is no variable.
_RESERVED = frozenset(
    {
        "self",
        "messages",
        "conversation",
        "conversations",
        "tools",
        "documents",
        "chat_template",
        "add_generation_prompt",
        "continue_final_message",
        "tokenize",
        "sanitize_control_tokens",
        "padding",
        "truncation",
        "max_length",
        "return_tensors",
        "return_dict",
        "return_assistant_tokens_mask",
        "tokenizer_kwargs",
    }
)
# Names that templates have for thinking; clients send one, and each of them is there.
_THINKING = ("reasoning_content", "thinking", "reasoning")


class ChatTemplate:
    """A checkpoint's template.

    ``variables``: what it reads. ``thinks``: whether it knows thinking between tags. ``call_style``: how it teaches the
    model to call tools; None: not at all. ``literals``: the texts it writes itself.
    """

    def __init__(self, templates: Mapping[str, str], variables: Mapping[str, str], *, source: str) -> None:
        """``templates``: by name; older checkpoints have one for requests with tools, "tool_use", beside "default".
        ``variables``: what every template may read, such as ``eos_token``."""
        if "default" not in templates:
            raise SettingsError(
                f"The tokenizer in {source} has several chat templates ({', '.join(sorted(templates))}), and none of "
                "them is called 'default'. Leave the one to be used, as chat_template.jinja."
            )
        self._environment = environment()
        self._fixed = dict(variables)
        used = {name: text for name, text in templates.items() if name in ("default", "tool_use")}
        trees = [self._parsed(text, source) for text in used.values()]
        self._templates = {name: self._compiled(text, source) for name, text in used.items()}
        self.literals = frozenset(
            text for tree in trees for node in tree.find_all((nodes.TemplateData, nodes.Const)) for text in _texts(node)
        )
        self.variables = frozenset(name for tree in trees for name in _variables(tree))
        self.thinks = self._writes("<think>") or self._writes("</think>")
        self.call_style: CallStyle | None = (
            "xml" if self._writes("<function=") else "hermes" if self._writes("<tool_call>") else None
        )

    def _writes(self, text: str) -> bool:
        return any(text in literal for literal in self.literals)

    def render(self, chat: ChatInput, *, end: str = "") -> str:
        """The prompt as text. ``end``: a text that occurs nowhere in the chat, to find where the final message ends
        that is to be continued."""
        messages = [dict(message) for message in chat.messages]
        if chat.continue_final:
            messages[-1:] = [_open_ended(messages[-1:], chat, end)]
        for name in chat.options:
            if name in _RESERVED:
                raise RequestError(
                    f"'chat_template_kwargs.{name}' is not allowed: it is no variable of a template.",
                    param="chat_template_kwargs",
                )
        try:
            text = self._rendered(messages, [dict(tool) for tool in chat.tools] or None, chat)
        except _REFUSALS as exc:
            raise RequestError(
                f"The model's chat template refused the messages: {_sentence(exc)}", param="messages"
            ) from exc
        if not chat.continue_final:
            return text
        if end not in text:
            raise RequestError(
                "The final message cannot be continued: the model's chat template leaves it out.", param="messages"
            )
        return text[: text.rindex(end)].replace(end, "")  # a template may write a content twice

    def _rendered(self, messages: list[dict[str, Any]], tools: list[dict[str, Any]] | None, chat: ChatInput) -> str:
        if not messages:
            raise ValueError("there are none")
        template = self._templates["default"]
        if tools is not None and "tool_use" in self._templates:
            template = self._templates["tool_use"]
        given = {
            **self._fixed,
            **chat.options,
            "messages": [_seen(message) for message in messages],
            "tools": tools,
            "documents": None,
            "add_generation_prompt": chat.generation_prompt,
        }
        return template.render(given)

    def _parsed(self, text: str, source: str) -> nodes.Template:
        with _readable(source):
            return self._environment.parse(text)

    def _compiled(self, text: str, source: str) -> Template:
        with _readable(source):
            return self._environment.from_string(text)


def _seen(message: Mapping[str, Any]) -> dict[str, Any]:
    """A message as templates see it: without what is null, and with its thinking under each name."""
    given = {name: value for name, value in message.items() if value is not None}
    thought = next((given[name] for name in _THINKING if name in given), None)
    return given if thought is None else {"thinking": thought, **given, "reasoning_content": thought}


def _open_ended(final: list[dict[str, Any]], chat: ChatInput, end: str) -> dict[str, Any]:
    """The final message with ``end`` where the model goes on: after its content, or after its thinking if that is
    all."""
    if chat.generation_prompt:
        raise RequestError(
            "'continue_final_message' and 'add_generation_prompt' exclude each other: the first goes on with a message,"
            " the second begins one.",
            param="continue_final_message",
        )
    if not final or final[0]["role"] != "assistant":
        raise RequestError("Only a final message of role 'assistant' can be continued.", param="messages")
    (message,) = final
    if message.get("tool_calls"):
        raise RequestError("A final message with 'tool_calls' cannot be continued.", param="messages")
    for field in ("content", "reasoning_content"):
        if (message.get(field) or "").strip():
            return {**message, field: message[field] + end}
    raise RequestError("The final message is empty, so there is nothing to continue.", param="messages")


def _sentence(exc: BaseException) -> str:
    """What a template or Jinja said, as the end of a sentence."""
    if isinstance(exc, RecursionError):
        return "they are nested too deeply."
    lines = str(exc).strip().splitlines() or [type(exc).__name__]
    return f"{lines[0][:300].rstrip('.')}."


@contextlib.contextmanager
def _readable(source: str) -> Iterator[None]:
    """SettingsError where a template cannot be compiled, by Jinja or by the Python that it becomes."""
    try:
        yield
    except (TemplateError, SyntaxError, RecursionError, MemoryError) as exc:
        where = f"line {exc.lineno}: {exc.message}" if isinstance(exc, TemplateSyntaxError) else _sentence(exc)
        raise SettingsError(
            f"The chat template of the tokenizer in {source} cannot be read ({where.rstrip('.')}). "
            "Take the one the checkpoint was published with."
        ) from exc


def _texts(node: nodes.Node) -> list[str]:
    text = node.data if isinstance(node, nodes.TemplateData) else getattr(node, "value", None)
    return [text] if isinstance(text, str) else []


def _variables(tree: nodes.Template) -> set[str]:
    """What it reads from outside, and ``reasoning_content`` where it tells thinking from content: by that field of a
    message, or as older ones by the tag that ends thinking."""
    names = set(meta.find_undeclared_variables(tree)) - {"reasoning_content"}
    attributes = {node.attr for node in tree.find_all(nodes.Getattr)}
    constants = {node.value for node in tree.find_all(nodes.Const) if isinstance(node.value, str)}
    return names | ({"reasoning_content"} if {"reasoning_content", "</think>"} & (attributes | constants) else set())
