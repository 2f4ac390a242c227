"""A Hugging Face tokenizer for ``core``: chats and text → ids, and the table id → bytes.

A prompt is encoded in two ways: what the chat template wrote with the tokenizer as it is, what the client wrote with
one that has no added tokens, so that nothing in a message becomes control (``core.quote`` tells them apart).

It knows byte-level BPE and control tokens. It must not know requests, Triton or HTTP, nor where files are.
"""

from __future__ import annotations

import re
import secrets
from codecs import charmap_encode
from dataclasses import replace
from itertools import count
from typing import Any

from tokenizers import Tokenizer

from gateway.chat_template import ChatTemplate
from gateway.core.errors import RequestError, SettingsError
from gateway.core.quote import Quote, strings
from gateway.core.types import CallStyle, ChatInput, Prompt
from gateway.tokenizer_files import TokenizerFiles, read

# Characters from which on ``tokenizers`` works without Python's lock: only what takes a list of texts lets other
# threads go on meanwhile, and costs a moment more.
LONG = 1024


class HuggingFaceTokenizer:
    """A byte-level BPE tokenizer with a chat template, as every Qwen has."""

    def __init__(self, files: TokenizerFiles, *, source: str) -> None:
        """SettingsError where it cannot serve chats of Qwen."""
        if not files.templates:
            raise SettingsError(
                f"The tokenizer in {source} has no chat template. Use the folder of a chat model (Qwen*-Instruct or "
                "-Chat), or put its chat_template.jinja beside tokenizer_config.json."
            )
        backend = files.tokenizer
        backend.no_truncation()  # a tokenizer.json may say so, from training
        backend.no_padding()
        self.table = _token_bytes(backend, source)
        self._backend = backend
        self._plain = _without_added_tokens(backend)
        self._template = ChatTemplate(files.templates, files.special, source=source)
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
        return cls(read(source), source=source)

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
            messages, tools = (tuple(self._quote.marked(each, mark)) for each in (chat.messages, chat.tools))
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
        ids: list[int]
        if len(text) < LONG:
            ids = backend.encode(text, add_special_tokens=False).ids
        else:
            (found,) = backend.encode_batch_fast([text], add_special_tokens=False)
            ids = found.ids
    except TypeError as exc:  # it takes UTF-8, and JSON's escapes can spell half of a surrogate pair
        raise RequestError("The text has a lone surrogate in it, which is no character.", param=param) from exc
    return ids


def _without_added_tokens(backend: Any) -> Any:
    """A tokenizer with the same model (shared, so it costs nothing) that takes every text as plain."""
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


def _token_bytes(backend: Any, source: str) -> tuple[bytes, ...]:
    """id → bytes. Control tokens have none: they are never text. Tags such as ``<think>`` are text."""
    vocabulary: dict[str, int] = backend.get_vocab(with_added_tokens=True)
    added = backend.get_added_tokens_decoder()
    byte_of = _byte_of_char()
    table = [b""] * (max(vocabulary.values(), default=-1) + 1)
    for token, id in vocabulary.items():
        if id in added:
            table[id] = b"" if added[id].special else token.encode()
            continue
        try:
            table[id] = charmap_encode(token, "strict", byte_of)[0]
        except UnicodeEncodeError:
            raise SettingsError(
                f"The tokenizer in {source} is not a byte-level BPE (token {id} is {token!r}), so it is not Qwen's."
            ) from None
    return tuple(table)


def _byte_of_char() -> dict[int, int]:
    """The alphabet of byte-level BPE: printable bytes of Latin-1 stand for themselves, the others follow from U+0100.

    Source: GPT-2's encoder, which Qwen's vocab.json uses unchanged.
    """
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in plain]
    return {byte: byte for byte in plain} | {0x100 + i: byte for i, byte in enumerate(others)}
