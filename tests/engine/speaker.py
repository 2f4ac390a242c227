"""Who asks the CPU engine itself, past any server: what comes back as ids, and as text."""

import threading
import time
from dataclasses import dataclass, field
from typing import Any

from model_repo_builder.triton_models.openvino.guide import checked
from model_repo_builder.triton_models.openvino.request import Request, Sampling
from model_repo_builder.triton_models.openvino.sequence import Delta
from model_repo_builder.triton_models.openvino.settings import Settings

PROMPTS = [(5, 6, 7, 8), (300,), tuple(range(40, 90)), (1, 1, 1), (12, 700, 3), (99, 98, 97, 96, 95)]
SOON = 10
"""Seconds within which anything here ends, on a busy machine."""


@dataclass(slots=True)
class Inbox:
    """A reply that keeps what it gets, and when, and can be left by its client."""

    ids: list[int] = field(default_factory=list)
    log_probs: tuple[float, ...] = ()
    times: list[float] = field(default_factory=list)
    failure: str = ""
    gone: bool = False
    began: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)

    def send(self, request: Request, delta: Delta, prefix: tuple[int, ...] = ()) -> None:
        self.ids += [*prefix, *delta.ids]
        self.log_probs = delta.log_probs
        self.times.append(time.monotonic())
        self.began.set()
        if delta.final:
            self.ended.set()

    def refuse(self, reason: str) -> None:
        self.failure = reason
        self.ended.set()

    fail = refuse

    def is_cancelled(self) -> bool:
        return self.gone


class Asking:
    """An engine with everything that belongs to it, and how to ask it."""

    def __init__(self, settings: Settings) -> None:
        from model_repo_builder.triton_models.openvino.engine import Engine
        from model_repo_builder.triton_models.openvino.guide_check import GuideChecker, GuideThread
        from model_repo_builder.triton_models.openvino.pipeline import Pipeline

        self.settings = settings
        self.logged: list[str] = []
        self.pipelines: list[Any] = []
        self.checker = GuideChecker(settings.model_path, settings.vocab_size, settings.guide_milliseconds)
        guides = GuideThread(self.checker, self.logged.append)

        def make() -> Pipeline:
            self.pipelines.append(Pipeline(settings))
            return self.pipelines[-1]  # type: ignore[no-any-return]

        self.engine = Engine(make, cancel_period=0.02, exclude_input=True, log=self.logged.append, guides=guides)

    def start(
        self,
        type: str = "",
        text: str = "",
        *,
        prompt: tuple[int, ...] = PROMPTS[0],
        seed: int | None = 1,
        temperature: float = 1.5,
        top_p: float = 1.0,
        max_tokens: int = 400,
        request_id: str = "",
        streaming: bool = True,
        end_ids: frozenset[int] | None = None,
    ) -> Inbox:
        inbox = Inbox()
        sampling = Sampling(seed is None, temperature, 0, top_p, seed, 1.0, 0.0, 0.0)
        ends = frozenset(self.settings.eos_token_ids) if end_ids is None else end_ids
        guide = checked(type, text) if type else None
        request = Request(request_id, prompt, max_tokens, 0, ends, (), sampling, streaming, True, guide)
        self.engine.submit(request, inbox)
        return inbox

    def ask(self, type: str = "", text: str = "", **options: Any) -> Inbox:
        inbox = self.start(type, text, **options)
        assert inbox.ended.wait(6 * SOON)
        return inbox


@dataclass(frozen=True, slots=True)
class Speaker:
    """An engine and its tokenizer."""

    asking: Asking
    tokenizer: Any
    end_id: int

    def say(self, type: str, text: str, **options: Any) -> str:
        """The answer's text; the guide must have been complete before the limit."""
        inbox = self.asking.ask(type, text, **options)
        assert len(inbox.ids) < options.get("max_tokens", 400), "cut off: choose another seed"
        return self.text_of(inbox)

    def say_often(self, type: str, text: str, count: int = len(PROMPTS), **options: Any) -> list[str]:
        """So many answers that were not cut off: noise now and then never stops writing spaces between two values."""
        options = {"max_tokens": 400, **options}
        texts: list[str] = []
        for seed in range(8 * count):
            inbox = self.asking.ask(type, text, prompt=PROMPTS[len(texts)], seed=seed, **options)
            if len(inbox.ids) < options["max_tokens"]:
                texts.append(self.text_of(inbox))
            if len(texts) == count:
                return texts
        raise AssertionError(f"only {len(texts)} of {8 * count} answers came to their end")

    def text_of(self, inbox: Inbox) -> str:
        assert inbox.failure == ""
        assert len(inbox.log_probs) == len(inbox.ids)
        return str(self.tokenizer.decode(inbox.ids, skip_special_tokens=False))
