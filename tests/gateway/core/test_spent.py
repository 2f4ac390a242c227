"""What a request costs its key, from the guess to the truth."""

from __future__ import annotations

from gateway.core.spent import Spent
from gateway.core.types import Generate, Prompt


def generates(n: int, prompts: int = 1) -> list[Generate]:
    made = [Prompt("abc", (1, 2, 3)) for _ in range(prompts)]
    return [
        Generate(f"{p}-{i}", "m", prompt, 100, (0,), choice=p * n + i)
        for p, prompt in enumerate(made)
        for i in range(n)
    ]


def test_a_prompt_counts_once_however_many_answers_it_has() -> None:
    spent = Spent(generates(4))
    assert (spent.prompt_tokens, spent.most) == (3, 400)


def test_equal_prompts_of_one_request_each_count() -> None:
    assert Spent(generates(2, prompts=3)).prompt_tokens == 9


def test_prompt_and_answers_are_paid_for() -> None:
    spent = Spent(generates(2))
    spent.answered(7)
    spent.answered(5)
    assert spent.tokens == 3 + 7 + 5


def test_a_failure_costs_nothing_unless_something_came() -> None:
    spent = Spent(generates(1))
    spent.answered(0)
    spent.failed()
    assert spent.tokens == 0
    spent = Spent(generates(1))
    spent.answered(1)
    spent.failed()
    assert spent.tokens == 4
