"""Measures what Seedling learned, on questions, functions and sums that the corpus never contains.

    python -m seedling.evaluate                                     in this process, through openvino_genai
    python -m seedling.evaluate --transformers                      the same weights through transformers, on a GPU if there is one
    python -m seedling.evaluate --base-url http://localhost:9000/v1 through any OpenAI-compatible server

Answers are greedy. Needs the `cpu` extra and transformers (and `openai` for --base-url), nothing of the training.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from seedling.asking import Ask, through_api, through_openvino, through_transformers
from seedling.questions import SEED, Case, cases
from seedling.shape import PACKAGE


@dataclass(slots=True)
class Score:
    right: int = 0
    ended: int = 0
    count: int = 0
    wrong: list[tuple[str, str, str]] = field(default_factory=list)


def measure(asked: Sequence[Case], ask: Ask) -> dict[str, Score]:
    scores: dict[str, Score] = {}
    for case, reply in zip(asked, ask(asked), strict=True):
        score = scores.setdefault(case.group, Score())
        score.count += 1
        score.ended += reply.ended
        if case.right(reply):
            score.right += 1
        else:
            said = reply.text or json.dumps([[c.name, c.arguments] for c in reply.calls or ()], ensure_ascii=False)
            score.wrong.append((str(case.messages[-1]["content"]), case.expected, said))
    return scores


def table(scores: dict[str, Score]) -> str:
    rows = ["| what | cases | right | ended by itself |", "|---|---|---|---|"]
    for group, score in scores.items():
        rows.append(f"| {group} | {score.count} | {score.right / score.count:.1%} | {score.ended / score.count:.1%} |")
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--base-url", help="an OpenAI-compatible server; without it the GGUF file is run in this process"
    )
    parser.add_argument(
        "--transformers", action="store_true", help="run the same weights in transformers instead of openvino_genai"
    )
    parser.add_argument("--model", default="seedling", help="the name that server gives the model")
    parser.add_argument("--folder", type=Path, default=PACKAGE, help="folder of the GGUF file and the tokenizer")
    parser.add_argument(
        "--count", type=int, default=300, help="generated cases per group (facts are always asked in full)"
    )
    parser.add_argument("--seed", default=SEED, help="what the generated cases are drawn from")
    parser.add_argument("--wrong", type=int, default=0, help="how many wrong answers to show per group")
    arguments = parser.parse_args()
    if arguments.base_url:
        ask = through_api(arguments.base_url, arguments.model)
    else:
        ask = (through_transformers if arguments.transformers else through_openvino)(arguments.folder)
    scores = measure(cases(arguments.count, arguments.seed), ask)
    print(table(scores))
    for group, score in scores.items():
        for question, expected, said in score.wrong[: arguments.wrong]:
            print(f"\n[{group}] {question}\n  expected: {expected}\n  said:     {said}")


if __name__ == "__main__":
    main()
