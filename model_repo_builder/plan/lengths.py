"""How long prompts and answers may be: from what the recipe gives, every length that the tools ask for.

Knows that release 0.10 asks for prompt and answer, later ones for their sum. Must not know the flags' names.
"""

from __future__ import annotations

from dataclasses import dataclass

from model_repo_builder.errors import SettingsError
from model_repo_builder.qwen import QwenFacts
from model_repo_builder.recipe import Recipe

_DEFAULT_SEQUENCE = 8192
_DEFAULT_ANSWER_SHARE = 4  # a quarter of the sequence


@dataclass(frozen=True, slots=True)
class Lengths:
    """``sequence`` is prompt and answer together; ``reason`` says where they come from."""

    input: int
    output: int
    sequence: int
    reason: str


def choose(recipe: Recipe, facts: QwenFacts) -> Lengths:
    prompt, answer, sequence = recipe.max_input_len, recipe.max_output_len, recipe.max_seq_len
    given = "as the recipe says"
    if prompt is not None and answer is not None:
        return Lengths(prompt, answer, prompt + answer, given)
    if sequence is None:
        sequence = max(min(_DEFAULT_SEQUENCE, facts.max_positions), 2 * (prompt or answer or 0))
        given = f"max_seq_len was not given: {sequence} of the model's {facts.max_positions} positions"
    if sequence < 2:
        raise SettingsError(f"max_seq_len is {sequence}: prompt and answer take at least one token each")
    known = prompt or answer
    if known is not None and known >= sequence:
        name = "max_input_len" if prompt else "max_output_len"
        raise SettingsError(f"{name} {known} leaves nothing of max_seq_len {sequence}: lower it, or raise max_seq_len")
    if prompt is not None:
        return Lengths(prompt, sequence - prompt, sequence, given)
    rest = answer or max(1, sequence // _DEFAULT_ANSWER_SHARE)
    return Lengths(sequence - rest, rest, sequence, given)
