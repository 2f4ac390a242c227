"""A Hugging Face tokenizer for ``core``: chats and text → ids, and the table id → bytes.

A prompt is encoded in two ways: what the chat template wrote with the tokenizer as it is, what the client wrote with
one that has no added tokens, so that nothing in a message becomes control (``core.quote`` tells them apart).

It knows tokenizer files and transformers. It must not know requests, Triton or HTTP. Code from a checkpoint is never
executed (``trust_remote_code`` stays off): Qwen's tokenizers need none.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

from gateway.chat_template import ChatTemplate
from gateway.core.errors import RequestError, SettingsError
from gateway.core.quote import Quote, strings
from gateway.core.types import CallStyle, ChatInput, Prompt

# A model id of the Hugging Face hub, as opposed to a path.
_HUB_ID = re.compile(r"[\w][\w.-]*/[\w][\w.-]*")


class HuggingFaceTokenizer:
    """A byte-level BPE tokenizer with a chat template, as every Qwen has."""

    def __init__(self, tokenizer: Any, *, source: str) -> None:
        """``tokenizer``: a fast tokenizer of transformers. SettingsError where it cannot serve chats of Qwen."""
        backend = getattr(tokenizer, "backend_tokenizer", None)
        if backend is None:
            raise SettingsError(
                f"The tokenizer in {source} has no tokenizer.json and cannot be converted to one. "
                "Save it once with transformers (save_pretrained) and point to that folder."
            )
        if not tokenizer.chat_template:
            raise SettingsError(
                f"The tokenizer in {source} has no chat template. Use the folder of a chat model (Qwen*-Instruct or "
                "-Chat), or put its chat_template.jinja beside tokenizer_config.json."
            )
        backend.no_truncation()  # a tokenizer.json may say so, from training
        backend.no_padding()
        self.table = _token_bytes(tokenizer, source)
        self._backend = backend
        self._plain = _without_added_tokens(backend)
        self._template = ChatTemplate(tokenizer, source=source)
        self._added = {token.content: (id, token) for id, token in backend.get_added_tokens_decoder().items()}
        for text, (id, _) in self._added.items():
            if id in _ids(self._plain, text):
                raise SettingsError(
                    f"The tokenizer in {source} makes its token {text!r} of plain text, so it is not Qwen's."
                )
        self._find = _any_of([token for _, token in self._added.values()])
        self._quote = Quote(self._added, self._template.literals)

    @classmethod
    def load(cls, source: str) -> HuggingFaceTokenizer:
        """From a folder, or from the hub where ``source`` is a model id. SettingsError says what is wrong with it."""
        folder = Path(source)
        if not folder.is_dir() and not _HUB_ID.fullmatch(source):
            raise SettingsError(
                f"There is no tokenizer folder {source}. Give the folder of a Hugging Face Qwen checkpoint "
                "(tokenizer.json and tokenizer_config.json are enough), or a model id such as Qwen/Qwen2.5-7B-Instruct."
            )
        from transformers import AutoTokenizer  # takes seconds: not at import

        try:
            tokenizer = AutoTokenizer.from_pretrained(source, local_files_only=folder.is_dir(), trust_remote_code=False)
        except (OSError, ValueError, KeyError, TypeError) as exc:
            reason = str(exc).strip().splitlines()[0] if str(exc).strip() else type(exc).__name__
            what = "folder" if folder.is_dir() else "folder of that name, and model id that could not be downloaded,"
            raise SettingsError(f"The tokenizer {what} {source} cannot be read: {reason}") from exc
        return cls(tokenizer, source=source)

    @property
    def variables(self) -> frozenset[str]:
        """Names that the chat template reads."""
        return self._template.variables

    @property
    def thinks(self) -> bool:
        """Whether the chat template knows thinking between tags."""
        return self._template.thinks

    @property
    def call_style(self) -> CallStyle | None:
        """How the chat template teaches the model to call tools."""
        return self._template.call_style

    def chat(self, chat: ChatInput) -> Prompt:
        """The chat template's prompt. Tokens written inside of messages, tools and options stay text."""
        given = (chat.messages, chat.tools, chat.options)
        quoted = self._quote.needed(given)
        mark = _fresh(given) if quoted or chat.continue_final else ""
        end = _fresh((*given, mark)) if chat.continue_final else ""
        if not quoted:
            text = self._template.render(chat, end=end)
            return Prompt(text, tuple(_ids(self._backend, text, param="messages")))
        try:
            messages, tools = self._quote.marked(chat.messages, mark), self._quote.marked(chat.tools, mark)
            options = {name: self._quote.marked(value, mark) for name, value in chat.options.items()}
        except RecursionError as exc:
            raise RequestError("The messages are nested too deeply.", param="messages") from exc
        marked = replace(chat, messages=messages, tools=tools, options=options)
        return self._unmarked(self._template.render(marked, end=end), mark)

    def _unmarked(self, marked: str, mark: str) -> Prompt:
        """The prompt of a text with marks: every token in it is the template's, what lies between is text."""
        texts: list[str] = []
        ids: list[int] = []
        control: list[int] = []  # where the template's tokens begin
        at = length = 0
        for match in self._find.finditer(marked):
            id, token = self._added[match[0]]
            # Some tokens take the space around them.
            start = at + len(marked[at : match.start()].rstrip()) if token.lstrip else match.start()
            end = len(marked) - len(marked[match.end() :].lstrip()) if token.rstrip else match.end()
            text = marked[at:start].replace(mark, "")
            ids += [*_ids(self._plain, text, param="messages"), id]
            texts += [text, marked[start:end]]
            control.append(length + len(text) + match.start() - start)
            length += len(text) + end - start
            at = end
        texts.append(marked[at:].replace(mark, ""))
        ids += _ids(self._plain, texts[-1], param="messages")
        whole = "".join(texts)
        exact = control == [match.start() for match in self._find.finditer(whole)]
        return Prompt(whole, tuple(ids), exact=exact)

    def encode(self, text: str) -> list[int]:
        """Token ids. Control tokens in ``text`` are control; none is added."""
        return _ids(self._backend, text)

    @property
    def end_ids(self) -> tuple[int, ...]:
        """The end tokens that a Qwen tokenizer is known to have, the chat end first."""
        ids = (self._backend.token_to_id(token) for token in ("<|im_end|>", "<|endoftext|>"))
        return tuple(id for id in ids if id is not None)

    def token(self, id: int) -> str:
        """The token as the vocabulary spells it."""
        return str(self._backend.id_to_token(id) or "")


def _ids(backend: Any, text: str, *, param: str | None = None) -> list[int]:
    try:
        ids: list[int] = backend.encode(text, add_special_tokens=False).ids
    except TypeError as exc:  # it takes UTF-8, and JSON's escapes can spell half of a surrogate pair
        raise RequestError("The text has a lone surrogate in it, which is no character.", param=param) from exc
    return ids


def _without_added_tokens(backend: Any) -> Any:
    """A tokenizer with the same model (shared, so it costs nothing) that takes every text as plain."""
    from tokenizers import Tokenizer

    plain = Tokenizer(backend.model)
    for part in ("normalizer", "pre_tokenizer"):
        if getattr(backend, part) is not None:
            setattr(plain, part, getattr(backend, part))
    return plain


def _any_of(tokens: list[Any]) -> re.Pattern[str]:
    """Finds tokens as the tokenizer does: the longest of those that begin first."""
    longest = sorted(tokens, key=lambda token: len(token.content), reverse=True)
    words = [rf"(?<!\w){t}(?!\w)" if token.single_word else t for token in longest if (t := re.escape(token.content))]
    return re.compile("|".join(words) or "(?!)")


def _fresh(value: object) -> str:
    """Digits that occur in no string of the value, so that templates have nothing to change in them.

    The one 9 in front keeps it from overlapping itself; that nobody can foresee it keeps the search short.
    """
    for size in count(8):
        mark = "9" + "".join(secrets.choice("012345678") for _ in range(size))
        if not any(mark in text for text in strings(value)):
            return mark
    raise AssertionError("texts are finite")


def _token_bytes(tokenizer: Any, source: str) -> tuple[bytes, ...]:
    """id → bytes. Control tokens have none: they are never text. Tags such as ``<think>`` are text."""
    vocabulary: dict[str, int] = tokenizer.get_vocab()
    added = {id: token for id, token in tokenizer.added_tokens_decoder.items()}
    byte_of = _byte_of_char()
    table = [b""] * (max(vocabulary.values(), default=-1) + 1)
    for token, id in vocabulary.items():
        if id in added:
            table[id] = b"" if added[id].special else str(added[id]).encode()
            continue
        try:
            table[id] = bytes([byte_of[char] for char in token])
        except KeyError:
            raise SettingsError(
                f"The tokenizer in {source} is not a byte-level BPE (token {id} is {token!r}), so it is not Qwen's."
            ) from None
    return tuple(table)


def _byte_of_char() -> dict[str, int]:
    """The alphabet of byte-level BPE: printable bytes of Latin-1 stand for themselves, the others follow from U+0100.

    Source: GPT-2's encoder, which Qwen's vocab.json uses unchanged.
    """
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in plain]
    return {chr(byte): byte for byte in plain} | {chr(0x100 + i): byte for i, byte in enumerate(others)}
