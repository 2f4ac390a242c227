"""A tokenizer for tests of ``core``, small enough to read: a few words, and one token for every byte.

It satisfies core's Tokenizer protocol with the ids a test can name.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.core.types import CallStyle, ChatInput, Prompt

END, OTHER_END, CONTROL = 0, 1, 2
BYTES = 16  # id of byte 0
WORDS = BYTES + 256  # ids of the words below
_WORDS = ["hello", " world", "聪明", "\n\n", "<think>"]


class Vocabulary:
    """Words where the text has them, bytes for the rest."""

    def __init__(
        self, *, thinks: bool = False, call_style: CallStyle | None = "hermes", variables: Sequence[str] = ()
    ) -> None:
        control = [b""] * BYTES
        self.table: Sequence[bytes] = [*control, *(bytes([b]) for b in range(256)), *(w.encode() for w in _WORDS)]
        self.thinks = thinks
        self.call_style = call_style
        self.variables = frozenset({"messages", "tools", *variables})

    def chat(self, chat: ChatInput) -> Prompt:
        tools = "".join(f"<tool>{tool['function']['name']}" for tool in chat.tools)
        turns = "".join(f"<{m['role']}>{m['content']}" for m in chat.messages)
        options = "".join(f"<{name}={value}>" for name, value in chat.options.items())
        text = f"{tools}{turns}{options}" + ("<assistant>" if chat.generation_prompt else "")
        return Prompt(text, tuple(self.encode(text)))

    def encode(self, text: str) -> list[int]:
        ids: list[int] = []
        while text:
            word = next((w for w in _WORDS if text.startswith(w)), None)
            if word is None:
                ids += [BYTES + byte for byte in text[0].encode()]
                text = text[1:]
            else:
                ids.append(WORDS + _WORDS.index(word))
                text = text[len(word) :]
        return ids

    def token(self, id: int) -> str:
        return {END: "<|im_end|>", OTHER_END: "<|endoftext|>"}.get(id, "")
