"""Measures what Seedling learned, on questions, functions and sums that the corpus never contains.

    python -m seedling.evaluate                                     in this process, through openvino_genai
    python -m seedling.evaluate --transformers                      the same weights through transformers, on a GPU if there is one
    python -m seedling.evaluate --base-url http://localhost:9000/v1 through any OpenAI-compatible server

Answers are greedy. Needs the `cpu` extra and transformers (and `openai` for --base-url), nothing of the training.
"""

from __future__ import annotations

import argparse
import json
import random
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seedling import arithmetic, corpus, facts, functions, tools
from seedling.exchange import Call
from seedling.shape import GGUF_NAME, PACKAGE

MAX_TOKENS = 400
SEED = "published"
HELD_CALLS = Path(__file__).parent / "held_calls.jsonl"
# With these the CPU engine computes what transformers computes; its own defaults round activations and the KV cache to 8 bit.
EXACT = {"INFERENCE_PRECISION_HINT": "f32", "KV_CACHE_PRECISION": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0}


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: the text after the thought, the calls in it (None: malformed), and whether it ended by itself."""

    text: str
    calls: tuple[Call, ...] | None
    ended: bool


@dataclass(frozen=True, slots=True)
class Case:
    group: str
    messages: tuple[dict[str, Any], ...]
    right: Callable[[Reply], bool]
    expected: str
    tools: tuple[dict[str, Any], ...] = ()
    thinking: bool = False


@dataclass(slots=True)
class Score:
    right: int = 0
    ended: int = 0
    count: int = 0
    wrong: list[tuple[str, str, str]] = field(default_factory=list)


Ask = Callable[[Sequence[Case]], list[Reply]]


Right = Callable[[Reply], bool]


def says(keys: tuple[str, ...]) -> Right:
    return lambda reply: facts.says(reply.text, keys)


def makes(calls: tuple[Call, ...]) -> Right:
    return lambda reply: reply.calls == calls


def ends_in(number: str) -> Right:
    return lambda reply: re.findall(r"\d+", reply.text)[-1:] == [number]


def is_exactly(text: str) -> Right:
    return lambda reply: reply.text == text


def fact_cases(rng: random.Random) -> list[Case]:
    """Every held-out phrasing of every fact."""
    cases = []
    for fact in facts.load():
        for language, questions, keys, mark in (
            ("English", fact.en_held, fact.keys_en, "?"),
            ("Chinese", fact.zh_held, fact.keys_zh, "？"),
        ):
            for question in questions:
                user = {"role": "user", "content": question[:1].upper() + question[1:] + mark}
                thinking = rng.random() < 0.5
                cases.append(Case(f"facts, {language}", (user,), says(keys), " & ".join(keys), thinking=thinking))
    return cases


def held_calls(count: int) -> list[Case]:
    """Requests for functions whose names and parameters the corpus does not contain. They were drawn once and written down, so that
    changes of the generators that teach do not change what is asked; fewer are taken evenly."""
    lines = HELD_CALLS.read_text("utf-8").splitlines()
    count = min(count, len(lines))
    taken = [json.loads(lines[number * len(lines) // count]) for number in range(count)]
    return [
        Case(
            case["group"],
            tuple(case["messages"]),
            makes(tuple(Call(*call) for call in case["calls"])),
            json.dumps(case["calls"], ensure_ascii=False),
            tuple(case["tools"]),
            case["thinking"],
        )
        for case in taken
    ]


def drawn_calls(rng: random.Random, count: int) -> list[Case]:
    """The same from today's generators, for another seed than the published one."""
    everyday = {name for function in functions.written() if function.held_out for name in function.names}
    cases = []
    for _ in range(count):
        made = tools.example(rng, rng.random() < 0.5, held_out=True)
        group = "two or three calls" if len(made.calls) > 1 else "one call"
        if {call.name for call in made.calls} & everyday:
            group += ", everyday words"
        expected = json.dumps([[c.name, c.arguments] for c in made.calls], ensure_ascii=False)
        cases.append(Case(group, made.messages, makes(made.calls), expected, made.tools, made.thinking))
    return sorted(cases, key=lambda case: case.group)


def sum_cases(rng: random.Random, count: int) -> list[Case]:
    cases = []
    for number in range(count):
        turn = arithmetic.exchange(rng, held_out=True)
        result = turn.answer.rstrip("。.").split("= ")[1]
        thinking = number % 2 == 0
        group = "sums, thinking" if thinking else "sums, at once"
        user = {"role": "user", "content": turn.user}
        cases.append(Case(group, (user,), ends_in(result), turn.answer, thinking=thinking))
    return sorted(cases, key=lambda case: case.group)


def other_cases(rng: random.Random, count: int) -> list[Case]:
    """Fresh draws of the kinds of talk that are not held out by wording: recall, results of tools."""
    cases = []
    for maker, kind, group in (
        (corpus.remembered, "recall", "recall from earlier turns"),
        (tools.example, "result", "answers from tool results"),
    ):
        found = 0
        while found < count:
            made = maker(rng, rng.random() < 0.5)
            if made.kind == kind:
                found += 1
                cases.append(
                    Case(group, made.messages, is_exactly(made.answer), made.answer, made.tools, made.thinking)
                )
    return cases


def cases(count: int = 300, seed: str = SEED) -> list[Case]:
    rng = random.Random(seed)
    asked = fact_cases(rng) + (held_calls(count) if seed == SEED else drawn_calls(rng, count))
    return asked + sum_cases(rng, count) + other_cases(rng, count // 3)


def parse(text: str, ended: bool) -> Reply:
    """The model's own text, taken apart."""
    said = text.rpartition("</think>")[2].strip()
    calls: list[Call] | None = []
    for block in re.findall(r"<tool_call>(.*?)</tool_call>", said, re.S):
        try:
            call = json.loads(block)
            calls.append(Call(call["name"], call["arguments"])) if calls is not None else None
        except (ValueError, KeyError, TypeError):
            calls = None
    outside = re.sub(r"<tool_call>.*?</tool_call>", "", said, flags=re.S).strip()
    return Reply(outside, None if calls is None else tuple(calls), ended)


def through_openvino(folder: Path, batch: int = 32) -> Ask:
    """Asks the GGUF file directly, with the numbers that make it equal to transformers (see README.md)."""
    import numpy as np
    import openvino
    import openvino_genai
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    scheduler = openvino_genai.SchedulerConfig()
    scheduler.cache_size = 1
    # OpenVINO gives the thread that loads a model a stack for signals, and takes it away without telling the thread.
    with ThreadPoolExecutor(1) as thread:
        pipeline = thread.submit(
            openvino_genai.ContinuousBatchingPipeline, folder / GGUF_NAME, scheduler, "CPU", EXACT
        ).result()
    settings = openvino_genai.GenerationConfig()
    settings.max_new_tokens = MAX_TOKENS
    settings.stop_token_ids = set(tokenizer.convert_tokens_to_ids(["<|im_end|>", "<|endoftext|>"]))

    def ask(asked: Sequence[Case]) -> list[Reply]:
        replies = []
        for start in range(0, len(asked), batch):
            prompts = []
            for case in asked[start : start + batch]:
                text = tokenizer.apply_chat_template(
                    list(case.messages),
                    tools=list(case.tools) or None,
                    tokenize=False,
                    add_generation_prompt=True,
                    enable_thinking=case.thinking,
                )
                ids = tokenizer(text, add_special_tokens=False)["input_ids"]
                prompts.append(openvino.Tensor(np.array([ids], dtype=np.int64)))
            for result in pipeline.generate(prompts, [settings] * len(prompts)):
                ids = [i for i in result.m_generation_ids[0] if i not in settings.stop_token_ids]
                replies.append(parse(tokenizer.decode(ids), len(ids) < MAX_TOKENS))
        return replies

    return ask


def through_transformers(folder: Path, batch: int = 64) -> Ask:
    """Asks the same 8-bit weights through transformers, on a GPU where there is one: for a machine without openvino_genai."""
    import tempfile

    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from seedling import gguf_file

    device = "cuda" if torch.cuda.is_available() else "cpu"
    tokenizer = AutoTokenizer.from_pretrained(PACKAGE, padding_side="left")
    with tempfile.TemporaryDirectory() as checkpoint:
        gguf_file.write_checkpoint(folder / GGUF_NAME, Path(checkpoint), PACKAGE)
        model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32).to(device).eval()
    ends = tokenizer.convert_tokens_to_ids(["<|im_end|>", "<|endoftext|>"])

    def ask(asked: Sequence[Case]) -> list[Reply]:
        texts = [
            tokenizer.apply_chat_template(
                list(case.messages),
                tools=list(case.tools) or None,
                tokenize=False,
                add_generation_prompt=True,
                enable_thinking=case.thinking,
            )
            for case in asked
        ]
        order = sorted(range(len(texts)), key=lambda number: len(texts[number]))
        replies: dict[int, Reply] = {}
        for start in range(0, len(order), batch):
            numbers = order[start : start + batch]
            inputs = tokenizer(
                [texts[n] for n in numbers], add_special_tokens=False, padding=True, return_tensors="pt"
            ).to(device)
            with torch.no_grad():
                out = model.generate(
                    input_ids=inputs["input_ids"],
                    attention_mask=inputs["attention_mask"],
                    max_new_tokens=MAX_TOKENS,
                    do_sample=False,
                    eos_token_id=ends,
                    pad_token_id=ends[1],
                )
            for number, row in zip(numbers, out[:, inputs["input_ids"].shape[1] :].tolist(), strict=True):
                ids = [i for i in row if i not in ends]
                replies[number] = parse(tokenizer.decode(ids), len(ids) < MAX_TOKENS)
        return [replies[number] for number in range(len(texts))]

    return ask


def through_api(base_url: str, model: str) -> Ask:
    """Asks an OpenAI-compatible server."""
    from openai import OpenAI

    client = OpenAI(base_url=base_url, api_key="none")

    def one(case: Case) -> Reply:
        answer = client.chat.completions.create(
            model=model,
            messages=[_as_sent(m) for m in case.messages],  # type: ignore[misc]
            temperature=0,
            max_tokens=MAX_TOKENS,
            extra_body={"chat_template_kwargs": {"enable_thinking": case.thinking}}
            | ({"tools": list(case.tools)} if case.tools else {}),
        ).choices[0]
        reply = parse(answer.message.content or "", answer.finish_reason != "length")
        if answer.message.tool_calls:
            try:
                calls = tuple(
                    Call(c.function.name, json.loads(c.function.arguments)) for c in answer.message.tool_calls
                )  # type: ignore[union-attr]
            except ValueError:
                return Reply(reply.text, None, reply.ended)
            return Reply(reply.text, calls, reply.ended)
        return reply

    return lambda asked: [one(case) for case in asked]


def _as_sent(message: dict[str, Any]) -> dict[str, Any]:
    """A message as clients send it: call arguments as a string, ids on calls and results."""
    if message["role"] == "tool":
        return {**message, "tool_call_id": "call_0"}
    if "tool_calls" not in message:
        return message
    calls = [
        {
            **call,
            "id": "call_0",
            "function": {
                **call["function"],
                "arguments": json.dumps(call["function"]["arguments"], ensure_ascii=False),
            },
        }
        for call in message["tool_calls"]
    ]
    return {**message, "tool_calls": calls}


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
