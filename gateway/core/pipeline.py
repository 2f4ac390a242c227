"""Pieces of an engine → deltas for a client: detokenize, match stop strings, read thinking and calls, decide how it
finished, count.

It knows the order of these machines and OpenAI's finish reasons. It must not know where pieces come from nor where
deltas go, and has no clock. Once ``finished`` nothing more may be pushed, and whoever reads the engine should cancel
it: the engine may not know that it is over (a stop string, a second end id, one call where one was wanted).
"""

from __future__ import annotations

from gateway.core.detokenize import Detokenizer
from gateway.core.errors import UpstreamError
from gateway.core.logprobs import LogprobQueue
from gateway.core.parse.answer import Answer, parser
from gateway.core.parse.plain import Plain
from gateway.core.parse.prose import joined
from gateway.core.stop import StopScanner
from gateway.core.types import (
    Delta,
    Finish,
    FinishReason,
    Generate,
    Part,
    Piece,
    Tokenizer,
    TokenLogprob,
    Usage,
    made,
)


class Pipeline:
    """One generation. ``push`` each piece; the delta of the last one carries the finish.

    An end id is never text and never counted, as in TensorRT-LLM. The token that completes a stop string is counted.

    While it is ``stateless``, the delta of a token that has text depends on the token alone, up to ``limit``. Who knows
    that delta may use it instead of pushing the piece, and counts it in ``tokens``. Tokens without text may be end ids.
    """

    def __init__(self, generate: Generate, tokenizer: Tokenizer) -> None:
        self._generate = generate
        self._choice = generate.choice
        self._tokenizer = tokenizer
        self._detokenizer = Detokenizer(tokenizer.table)
        self._stop = StopScanner(generate.stop)
        reading = generate.reading
        # As unique as the request's id, without its prefix, whichever that is.
        _, _, own = generate.id.replace("-", "_").partition("_")
        name = f"call_{(own or generate.id).replace('_', '')}"
        self._parser = parser(
            thinking=reading.thinking,
            calls=reading.calls,
            tools=reading.tools,
            call_id=lambda index: f"{name}{index:02}",
            parallel=reading.parallel,
            prefill=reading.prefill,
        )
        self._thinks = reading.thinking != "off"
        self._logprobs = LogprobQueue() if generate.logprobs else None
        # One id at a time where it matters at which token something happened: always, or until thinking is over.
        ends_early = reading.calls is not None and not reading.parallel
        self._always_stepwise = bool(generate.stop) or generate.logprobs or ends_early
        self._least = generate.sampling.min_tokens or 0 if generate.stop else 0
        self._end_ids = frozenset(generate.end_ids)
        self._ends_silently = not any(tokenizer.table[id] for id in self._end_ids if 0 <= id < len(tokenizer.table))
        self._vocab_size = len(tokenizer.table)
        self.limit = generate.max_tokens
        self.tokens = 0  # so far, as ids
        self._reasoned = 0
        self._cached: int | None = None
        self._texts: list[str] | None = None  # kept only where text has to be counted at the end
        self._by_text = False
        self._untold: list[TokenLogprob] = []
        self.finished = False
        self._ended = False  # the engine's own end id was seen
        self._read(stepwise=self._always_stepwise or self._thinks)

    @property
    def ends_itself(self) -> bool:
        """Whether the engine ends here too, without being told: at its limit, or its own end id."""
        return self._ended or self.tokens >= self.limit

    @property
    def generated(self) -> int:
        """Tokens so far. Of an engine that answers in text, to be asked at the end only: its text is counted then."""
        return self._count()

    def push(self, piece: Piece) -> Delta:
        """What the piece means to the client."""
        ids, _, final, _, cached, _ = piece
        # Tokens in the middle of an answer, of which nobody wants to know more than their text.
        if ids and self._usual and not final and cached is None and self._end_ids.isdisjoint(ids):
            tokens = self.tokens + len(ids)
            if tokens < self.limit and min(ids) >= 0 and max(ids) < self._vocab_size:
                self.tokens = tokens
                text = self._detokenizer.push(ids)
                self.stateless = self._plain and not self._detokenizer.held
                return made(Delta, (tuple(self._parser.push(text)) if text else (), None, (), self._choice, None))
        parts: list[Part] = []
        ended: FinishReason | None = None
        if piece.cached_tokens is not None:
            self._cached = piece.cached_tokens
        if piece.ids is not None:
            ended = self._push_ids(piece.ids, piece.logprobs, parts)
            self.stateless = self._plain and not self._detokenizer.held
        elif piece.text:
            self._push_text(piece.text, parts)
        if self._stop.matched is not None or self._parser.done:
            ended = "stop"
        if ended is None and piece.final:
            ended = piece.reason
        if ended is None and piece.final:
            ended = "length" if self._count() >= self.limit else "stop"
        if ended is not None:
            return self._finish(parts, ended)
        usage = self._usage() if self._generate.running_usage else None
        return Delta(tuple(parts), None, self._take_logprobs(), self._choice, usage)

    def _read(self, *, stepwise: bool) -> None:
        """How ids are read from now on."""
        self._stepwise = stepwise
        self._usual = not stepwise and not self._generate.running_usage  # no more than their text is asked of most
        # An end id that has text, as that of a client may, ends this answer and is text in others.
        self._plain = self._usual and type(self._parser) is Plain and not self._choice and self._ends_silently
        self.stateless = self._plain and not self._detokenizer.held

    def _push_ids(
        self, ids: tuple[int, ...], logprobs: tuple[float, ...] | None, parts: list[Part]
    ) -> FinishReason | None:
        """Text of the ids up to an end id or the limit."""
        ended: FinishReason | None = None
        taken: list[int] = []
        places: list[int] = []
        room = self.limit - self.tokens
        for place, id in enumerate(ids):
            if len(taken) >= room:
                break
            if id in self._end_ids:
                ended = "stop"
                self._ended = id == self._generate.end_ids[0]
                break
            if 0 <= id < self._vocab_size:  # TensorRT-LLM is known to send -1 and ids past the vocabulary
                taken.append(id)
                places.append(place)
        if not self._stepwise:
            if taken:
                self.tokens += len(taken)
                text = self._detokenizer.push(taken)
                if text:
                    parts += self._parser.push(text)
        else:
            if self._logprobs is not None and ids and (logprobs is None or len(logprobs) != len(ids)):
                raise UpstreamError("The engine sent no log-probabilities, although it was asked for them.")
            for place, id in zip(places, taken, strict=True):
                if self._step(id, None if logprobs is None else logprobs[place], parts):
                    break
            if len(taken) > 1:
                parts[:] = joined(parts)
            if self._stop.matched is not None or self._parser.done:
                return None
        if ended is None and self.tokens >= self.limit:
            ended = "length"
        return ended

    def _step(self, id: int, logprob: float | None, parts: list[Part]) -> bool:
        """One token. True where it ended the answer."""
        self.tokens += 1
        text = self._detokenizer.push((id,))
        certain = len(text)
        # Before min_tokens no stop string counts; what is held back by then stays held.
        text = self._stopped(text) if self.tokens > self._least else text
        thinking = self._parser.reasoning
        if text:
            parts += self._parser.push(text)
        if self._thinks and (thinking or self._parser.reasoning):
            self._reasoned += 1
            thinking = True
        elif self._parser.thought:
            if isinstance(self._parser, Answer):
                self._parser = self._parser.after
            self._read(stepwise=self._always_stepwise)
        if self._logprobs is not None and logprob is not None:
            if thinking:
                self._logprobs.skip(certain)
            else:
                raw = self._tokenizer.table[id]
                self._logprobs.push(TokenLogprob(raw.decode("utf-8", "replace"), raw, logprob), certain)
            self._untold += self._logprobs.take(len(text))
        return self._stop.matched is not None or self._parser.done

    def _matched(self) -> bool:
        """A method, because what is asked twice in a row changes in between."""
        return self._stop.matched is not None

    def _push_text(self, text: str, parts: list[Part]) -> None:
        if self._texts is None:
            self._texts = []
            self._by_text = True
        self._texts.append(text)
        text = self._stopped(text)
        if text:
            parts += self._parser.push(text)

    def _stopped(self, text: str) -> str:
        """The text that is certain not to belong to a stop string, and the stop string itself where it is to stay."""
        text = self._stop.push(text)
        if self._stop.matched is not None and self._generate.include_stop:
            text += self._stop.matched
        return text

    def _count(self) -> int:
        """Generated tokens. Engines that answer in text do not say, so their text is tokenized once more."""
        if self._texts is not None:
            self.tokens = len(self._tokenizer.encode("".join(self._texts)))
            self._texts = None
        return self.tokens

    def _usage(self) -> Usage:
        reasoned = self._reasoned if self._thinks and not self._by_text else None
        return Usage(len(self._generate.prompt.ids), self.tokens, self._cached, reasoned)

    def _take_logprobs(self) -> tuple[TokenLogprob, ...]:
        if not self._untold:
            return ()
        tokens, self._untold = tuple(self._untold), []
        return tokens

    def _finish(self, parts: list[Part], reason: FinishReason) -> Delta:
        self.finished = True
        if not self._matched() and not self._parser.done:
            tail = self._stopped(self._detokenizer.flush())
            if not self._matched():
                tail += self._stop.flush()
                if self._logprobs is not None:
                    self._untold += self._logprobs.flush()
            else:
                reason = "stop"
            parts += self._parser.push(tail)
        parts += self._parser.flush()
        if reason == "stop" and self._parser.called and not self._generate.reading.named:
            reason = "tool_calls"
        self._count()
        usage = self._usage()
        finish = Finish(reason, usage, self._stop.matched)
        running = usage if self._generate.running_usage else None
        return Delta(tuple(parts), finish, self._take_logprobs(), self._choice, running)
