"""What a request costs its key, from the guess to the truth."""

from __future__ import annotations

from gateway.core.spent import Spent
from gateway.core.types import Content, Delta, Finish, Generate, Prompt, Usage

END = Finish("stop", Usage(3, 7))


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


def test_the_end_of_an_answer_is_exact() -> None:
    spent = Spent(generates(2))
    for choice in (0, 1):
        spent.push(Delta((Content("a"),), choice=choice))
        spent.push(Delta((), END, choice=choice))
    assert spent.tokens == 3 + 7 + 7


def test_who_leaves_pays_for_what_came() -> None:
    spent = Spent(generates(1))
    for _ in range(5):
        spent.push(Delta((Content("a"),)))
    assert spent.tokens == 8
    spent.push(Delta((Content("a"),), usage=Usage(3, 11)))
    assert spent.tokens == 14


def test_a_failure_costs_nothing_unless_something_came() -> None:
    spent = Spent(generates(1))
    spent.failed()
    assert spent.tokens == 0
    spent = Spent(generates(1))
    spent.push(Delta((Content("a"),)))
    spent.failed()
    assert spent.tokens == 4
