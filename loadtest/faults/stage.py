"""Where scenarios play: scripted Tritons, gateways in front, clients, and the account of it all.

It knows how to start, heal and measure. It must not know what a scenario wants to show. Everything it starts ends with
its context, also when the run is interrupted.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from tokenizers import Tokenizer

from loadtest.ask import Ask, Seen, chat
from loadtest.client import Client
from loadtest.engine.control import Mood
from loadtest.engine.script import Script, script_text
from loadtest.engine_repository import MAX_MODEL_LEN, SEEDLING, NotStarted
from loadtest.faults.account import Account
from loadtest.faults.result import Result
from loadtest.load import closed_loop
from loadtest.measurement import usage
from loadtest.polling import wait_until
from loadtest.processes import Gateway, Process, Triton, model_toml

T = TypeVar("T")
P = TypeVar("P", bound=Process)

LETTERS = "abcdefghijklmnopqrstuvwxyz"  # one token each: text is as long as its tokens are many
# Short enough for a table in minutes. A real deployment keeps the defaults, which are long enough for real prefills.
SETTINGS = """\
[deadlines]
connect_seconds = 1.0
first_token_seconds = 10.0
idle_seconds = 5.0
[probes]
period_seconds = 0.5
timeout_seconds = 1.0
stall_seconds = 3.0
[balance]
slow_start_seconds = 1.0
eject_max_seconds = 4.0
"""


@dataclass(frozen=True, slots=True)
class Scale:
    """How much of everything: a short run shows that nothing is lost, a full one measures."""

    short: bool

    def of(self, short: T, full: T) -> T:
        return short if self.short else full


class Stage:
    """Three Tritons, of which a scenario uses what it needs; gateways are kept for those who come after."""

    def __init__(self, folder: Path, scale: Scale, *, tritons: int = 3) -> None:
        self.folder, self.scale = folder, scale
        self._stack = ExitStack()
        self.tritons = [Triton(folder / f"triton-{n}") for n in range(tritons)]
        self._gateways: dict[str, Gateway] = {}
        tokenizer = Tokenizer.from_file(str(SEEDLING / "tokenizer.json"))
        self._ids = [id for letter in LETTERS for id in tokenizer.encode(letter, add_special_tokens=False).ids]
        self._numbers = itertools.count()

    def __enter__(self) -> Stage:
        with self._stack:  # what fails half way is undone
            for triton in self.tritons:
                self._stack.callback(triton.kill)
                triton.launch()
            for triton in self.tritons:
                triton.wait()
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._stack.close()

    def keep(self, process: P) -> P:
        """A process that ends with the stage at the latest."""
        self._stack.callback(process.stop)
        return process

    def gateway(self, tritons: int = 3, more: str = SETTINGS, *flags: str) -> Gateway:
        """A ready gateway in front of the first so many Tritons, the same one for the same settings."""
        config = model_toml(self.tritons[:tritons]) + more
        key = "\0".join((config, *flags))
        gateway = self._gateways.get(key)
        if gateway is None:
            gateway = self._gateways[key] = self.keep(Gateway(self.folder, config, *flags))
        if not gateway.running:
            gateway.start()
        return gateway

    def ask(self, *, tokens: int = 20, delay_ms: float = 10, first_ms: float = 0, **more: object) -> Ask:
        """A chat whose answer is the letters, over and over. ``more``: of the client (``loadtest.ask.Ask``)."""
        tag = f"t{next(self._numbers)}"
        script = Script(tag=tag, ids=self._ids, repeat=True, delay_ms=delay_ms, first_delay_ms=first_ms)
        # A prompt of its own from the beginning: what shares a prefix would all be given to one Triton.
        body = chat("scripted", script_text(script), system=f"{tag} " * 20, max_tokens=tokens)
        return Ask(body, keep_text=True, name=tag, timeout=60, **more)  # type: ignore[arg-type]

    def asks(self, count: int, **knobs: object) -> Iterator[Ask]:
        return (self.ask(**knobs) for _ in range(count))  # type: ignore[arg-type]

    def asks_for(self, seconds: float, **knobs: object) -> Iterator[Ask]:
        """As many as are asked for within that time."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            yield self.ask(**knobs)  # type: ignore[arg-type]

    def account(self) -> Account:
        return Account([triton.journal for triton in self.tritons])

    async def heal(self) -> None:
        """All Tritons ready and well, whatever a scenario left."""
        for triton in self.tritons:
            triton.thaw()
            triton.mood(Mood())
        down = [triton for triton in self.tritons if not triton.ready()]
        for triton in down:  # also where only the model is gone
            triton.kill()
            triton.launch()
        for triton in down:
            await asyncio.to_thread(triton.wait)


class Watch:
    """One scenario as it plays: a client, an account, memory before. ``result`` closes the books."""

    def __init__(self, stage: Stage, gateway: Gateway, *, url: str | None = None) -> None:
        self.stage, self.gateway = stage, gateway
        self.client = Client(url or gateway.url)
        self.account = stage.account()
        self.answers: list[Seen] = []
        self.asking = False
        self.fault_at: float | None = None
        self.victim = stage.tritons[0]
        self.hit = 0  # generations that ran in the victim when the fault came
        self._began = time.monotonic()
        self._memory = usage(gateway.pids).rss_mib

    async def play(self, asks: Iterable[Ask], *, clients: int) -> list[Seen]:
        """A closed loop, its answers kept."""
        self.asking = True
        seen = await closed_loop(self.client, asks, clients=clients)
        self.asking = False
        self.answers += seen
        return seen

    async def warm(self) -> None:
        """Asks until the gateway has every Triton in use, as it would have long before a fault."""
        for _ in range(60):
            await closed_loop(self.client, self.stage.asks(6, tokens=5, delay_ms=1), clients=6)
            if set((await asyncio.to_thread(self.gateway.states)).values()) == {"up"}:
                return
            await asyncio.sleep(0.1)
        raise NotStarted(f"the gateway does not use every Triton again: {self.gateway.get('/debug/endpoints')}")

    async def play_with(
        self, asks: Iterable[Ask], fault: Callable[[Triton], object], *, clients: int, after: float
    ) -> list[Seen]:
        """The same, while a fault (blocking, so in a thread) happens ``after`` seconds from the start to the Triton
        that has most to do."""

        async def strike() -> None:
            await asyncio.sleep(after)
            await self.strike(fault)

        seen, _ = await asyncio.gather(self.play(asks, clients=clients), strike())
        return seen

    async def strike(self, fault: Callable[[Triton], object]) -> None:
        """Now, or as soon as anything runs where clients ask."""
        engines = range(len(self.stage.tritons))

        def running() -> list[int]:
            return [len(self.account.running(engine)) for engine in engines]

        if self.asking:
            await wait_until(lambda: max(running()) > 1, 5)
        counts = running()
        self.hit = max(counts)
        self.victim = self.stage.tritons[counts.index(self.hit)]
        self.fault_at = asyncio.get_running_loop().time()
        await asyncio.to_thread(fault, self.victim)

    def recovery(self) -> float | None:
        """From the fault to the last bad answer; 0 where no client noticed."""
        if self.fault_at is None:
            return None
        bad = [seen.ended for seen in self.answers if not seen.good and not seen.left]
        return round(max(max(bad, default=0.0) - self.fault_at, 0.0), 2)

    async def settled(self, timeout: float = 10) -> list[str]:
        """Generations that still run after nobody waits for any; waits until there are none, or time is up."""
        await wait_until(lambda: not self.account.running(), timeout)
        return self.account.running()

    async def result(
        self,
        name: str,
        *,
        savable: Callable[[Seen], bool] = lambda seen: seen.first is None,
        goals: Sequence[tuple[bool, str]] = (),
        remarks: Sequence[str] = (),
        recovery: float | None = None,
        tokens_after_most: int | None = None,
        cuts: str = "",
    ) -> Result:
        """Closes the books. ``savable``: of the bad answers, those that something could have served.

        Goals of every scenario: nothing savable lost, no slot leaked, no stream cut without an error frame (unless
        ``cuts`` says why there must be some), every text what was asked for.
        """
        self.client.close()
        leaked = await self.settled()
        bad = [seen for seen in self.answers if not seen.good and not seen.left]
        lost = [seen for seen in bad if savable(seen)]
        wrong = [seen for seen in self.answers if not _right(seen)]
        cut = [seen for seen in self.answers if seen.kind == "cut"]
        tokens_after = self.account.tokens_after_leaving(self.answers)
        own = [
            (not lost, f"{len(lost)} lost that could be saved, such as: {_short(lost)}"),
            (not leaked, f"{len(leaked)} generations never ended in the engine: {', '.join(leaked[:5])}"),
            (not wrong, f"{len(wrong)} answers have another text than was asked for, such as: {_texts(wrong)}"),
            (not cut or bool(cuts), f"{len(cut)} streams were cut without an error frame: {_short(cut)}"),
            (self.gateway.running, "the gateway ended"),
        ]
        if tokens_after_most is not None and tokens_after is not None:
            text = f"{tokens_after} tokens were made for a client that had left (goal: at most {tokens_after_most})"
            own.append((tokens_after <= tokens_after_most, text))
        return Result(
            scenario=name,
            asked=len(self.answers),
            saw=dict(Counter(seen.kind for seen in self.answers)),
            lost=len(lost),
            leaked=len(leaked),
            tokens_after=tokens_after,
            recovery_seconds=self.recovery() if recovery is None else round(recovery, 2),
            memory_before_mib=self._memory,
            memory_after_mib=usage(self.gateway.pids).rss_mib,
            seconds=round(time.monotonic() - self._began, 1),
            remarks=(*remarks, *([cuts] if cuts and cut else [])),
            missed=tuple(sentence for reached, sentence in (*own, *goals) if not reached),
        )


def _right(seen: Seen) -> bool:
    """Whether the text is what was asked for: all of it in a good answer, its beginning in any other."""
    whole = LETTERS * (MAX_MODEL_LEN // len(LETTERS))
    return whole.startswith(seen.text) and (not seen.good or len(seen.text) == json.loads(seen.ask.body)["max_tokens"])


def _short(answers: Sequence[Seen]) -> str:
    return f"{answers[0].kind} after {answers[0].seconds:.2f} s: {answers[0].error[:200]}" if answers else ""


def _texts(answers: Sequence[Seen]) -> str:
    return repr(answers[0].text[:60]) if answers else ""
