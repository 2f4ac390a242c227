"""The requests of a scenario, one after another. Pure: the seed decides all that is random."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

from loadtest.ask import Ask, chat
from loadtest.engine.script import Script, script_text
from loadtest.scenario import Scenario

_TEXT = (
    "time person year way day thing man world life hand part child eye woman place work week case point number group "
    "problem fact water light house night book story sound river table"
)
_WORDS = tuple(_TEXT.split())


def asks(scenario: Scenario, model: str, headers: tuple[tuple[str, str], ...] = ()) -> Iterator[Ask]:
    """As many as the scenario has."""
    generator = Random(scenario.seed)
    # Lengths have generators of their own, so that one knob does not change what another draws.
    tokens = scenario.tokens.draws(Random(f"answers {scenario.seed}"))
    words = scenario.words.draws(Random(f"prompts {scenario.seed}")) if scenario.words else None
    more: dict[str, Any] = {"ignore_eos": True} if scenario.exact else {}
    for number in range(scenario.requests):
        prompt = _made_up(generator, next(words)) if words else scenario.text
        if scenario.gap_ms is not None:
            script = script_text(Script(text="one two three ", repeat=True, delay_ms=scenario.gap_ms))
            prompt = f"{prompt} {script}" if words else script
        leaves, slow = generator.random() < scenario.leave, generator.random() < scenario.slow
        leave_after = generator.uniform(0, scenario.leave_within) if leaves else None
        yield Ask(
            chat(model, prompt, max_tokens=next(tokens), **more),
            headers=headers,
            leave_after=leave_after,
            read_bytes=scenario.slow_bytes if slow else None,
            read_every=scenario.slow_every_ms / 1000 if slow else 0.0,
            timeout=scenario.timeout,
            name=str(number),
        )


def _made_up(generator: Random, count: int) -> str:
    """Common English words, each of which is one token of most vocabularies. No two prompts begin alike, so nothing of
    one helps another."""
    return " ".join(generator.choices(_WORDS, k=count))
