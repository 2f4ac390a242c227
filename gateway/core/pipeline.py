"""Pieces of an engine → deltas for a client: detokenize, match stop strings, decide how it finished, count.

It knows the order of these machines and OpenAI's finish reasons. It must not know where pieces come from nor where
deltas go, and has no clock. Once ``finished`` nothing more may be pushed, and whoever reads the engine should cancel
it: the engine may not know that it is over (a stop string, a second end id).
"""

from __future__ import annotations

from gateway.core.detokenize import Detokenizer
from gateway.core.stop import StopScanner
from gateway.core.types import Delta, Finish, FinishReason, Generate, Piece, Tokenizer, Usage


class Pipeline:
    """One generation. ``push`` each piece; the delta of the last one carries the finish.

    An end id is never text and never counted, as in TensorRT-LLM. The token that completes a stop string is counted.
    """

    def __init__(self, generate: Generate, tokenizer: Tokenizer) -> None:
        self._generate = generate
        self._tokenizer = tokenizer
        self._detokenizer = Detokenizer(tokenizer.table)
        self._stop = StopScanner(generate.stop)
        self._end_ids = frozenset(generate.end_ids)
        self._vocab_size = len(tokenizer.table)
        self._generated = 0
        self._texts: list[str] | None = None  # kept only where text has to be counted at the end
        self.finished = False

    def push(self, piece: Piece) -> Delta:
        """What the piece means to the client."""
        if piece.ids is not None:
            text, ended = self._push_ids(piece.ids)
        elif piece.text is not None:
            text, ended = self._push_text(piece.text), None
        else:
            text, ended = "", None
        if self._stop.matched is not None:
            ended = "stop"
        if ended is None and piece.final:
            ended = "length" if self._count() >= self._generate.max_tokens else "stop"
        return Delta(text) if ended is None else self._finish(text, ended)

    def _push_ids(self, ids: tuple[int, ...]) -> tuple[str, FinishReason | None]:
        """Text of the ids up to an end id or the limit; with stop strings id by id, so that counts are exact."""
        ended: FinishReason | None = None
        taken: list[int] = []
        room = self._generate.max_tokens - self._generated
        for id in ids:
            if len(taken) >= room:
                break
            if id in self._end_ids:
                ended = "stop"
                break
            if 0 <= id < self._vocab_size:  # TensorRT-LLM is known to send -1 and ids past the vocabulary
                taken.append(id)
        steps = [[id] for id in taken] if self._generate.stop else [taken]
        texts: list[str] = []
        for step in steps:
            texts.append(self._stop.push(self._detokenizer.push(step)))
            self._generated += len(step)
            if self._stop.matched is not None:
                break
        else:
            if ended is None and self._generated >= self._generate.max_tokens:
                ended = "length"
        return "".join(texts), ended

    def _push_text(self, text: str) -> str:
        if self._texts is None:
            self._texts = []
        self._texts.append(text)
        return self._stop.push(text)

    def _count(self) -> int:
        """Generated tokens. Engines that answer in text do not say, so their text is tokenized once more."""
        if self._texts is not None:
            self._generated = len(self._tokenizer.encode("".join(self._texts)))
            self._texts = None
        return self._generated

    def _finish(self, text: str, reason: FinishReason) -> Delta:
        self.finished = True
        if self._stop.matched is None:
            text += self._stop.push(self._detokenizer.flush())
            if self._stop.matched is None:
                text += self._stop.flush()
            else:
                reason = "stop"
        return Delta(text, Finish(reason, Usage(len(self._generate.prompt.ids), self._count())))
