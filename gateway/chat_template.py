"""A checkpoint's chat template: what it reads and teaches, and rendering by transformers.

It knows Jinja and transformers' ``apply_chat_template``, which keeps the template in a sandbox: it is data from a
checkpoint. It must not know tokens, requests' schemas or HTTP.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, TemplateError, TemplateSyntaxError, meta, nodes
from jinja2.ext import Extension
from jinja2.parser import Parser

from gateway.core.errors import RequestError, SettingsError
from gateway.core.types import CallStyle, ChatInput

# What a template does with messages it was not written for: about the request, not about the gateway.
_REFUSALS = (TemplateError, TypeError, ValueError, LookupError, AttributeError, ArithmeticError, RecursionError)


class ChatTemplate:
    """The template of a tokenizer of transformers.

    ``variables``: what it reads. ``thinks``: whether it knows thinking between tags. ``call_style``: how it teaches the
    model to call tools; None: not at all. ``literals``: the texts it writes itself.
    """

    def __init__(self, tokenizer: Any, *, source: str) -> None:
        self._tokenizer = tokenizer
        own = inspect.signature(tokenizer.apply_chat_template).parameters
        self._reserved = frozenset(own) - {"kwargs"} | {"self", "messages", "conversations"}
        given = tokenizer.chat_template
        # Older checkpoints have several by name; transformers chooses.
        trees = [_parsed(text, source) for text in (given.values() if isinstance(given, Mapping) else [given])]
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
            if name in self._reserved:
                raise RequestError(
                    f"'chat_template_kwargs.{name}' is not allowed: it is no variable of a template.",
                    param="chat_template_kwargs",
                )
        try:
            text = self._tokenizer.apply_chat_template(
                messages,
                tools=[dict(tool) for tool in chat.tools] or None,
                tokenize=False,
                add_generation_prompt=chat.generation_prompt,
                **chat.options,
            )
        except _REFUSALS as exc:
            raise RequestError(
                f"The model's chat template refused the messages: {_sentence(exc)}", param="messages"
            ) from exc
        if not chat.continue_final:
            return str(text)
        if end not in text:
            raise RequestError(
                "The final message cannot be continued: the model's chat template leaves it out.", param="messages"
            )
        return str(text[: text.rindex(end)]).replace(end, "")  # a template may write a content twice


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
    """What a template or transformers said, as the end of a sentence."""
    if isinstance(exc, RecursionError):
        return "they are nested too deeply."
    lines = str(exc).strip().splitlines() or [type(exc).__name__]
    return f"{lines[0][:300].rstrip('.')}."


class _Generation(Extension):
    """``{% generation %}``, with which templates mark answers for training. Here it is only to be read over."""

    tags = {"generation"}  # noqa: RUF012

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return list(parser.parse_statements(("name:endgeneration",), drop_needle=True))


def _parsed(text: str, source: str) -> nodes.Template:
    environment = Environment(extensions=["jinja2.ext.loopcontrols", _Generation])
    try:
        return environment.parse(text)
    except TemplateSyntaxError as exc:
        raise SettingsError(
            f"The chat template of the tokenizer in {source} cannot be read (line {exc.lineno}: {exc.message}). "
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
