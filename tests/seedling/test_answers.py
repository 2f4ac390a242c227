"""What the served file says: the same tokens as transformers, and answers good enough to build a demo on."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from seedling import asking, corpus, evaluate, prompt, questions
from seedling.exchange import Call
from seedling.shape import GGUF_NAME, PACKAGE

PROMPTS = 60
TOKENS = 48
# What each group must reach on the sample: well below what the model card publishes, far above chance.
FLOORS = {
    "facts, English": 0.80,
    "facts, Chinese": 0.80,
    "one call": 0.80,
    "two or three calls": 0.70,
    "sums, thinking": 0.90,
    "sums, at once": 0.80,
    "recall from earlier turns": 0.90,
    "answers from tool results": 0.90,
}


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(PACKAGE)


@pytest.fixture(scope="module")
def prompts(tokenizer: Any) -> list[list[int]]:
    """Prompts of every kind, thinking and not, short and long."""
    drawn = itertools.islice(corpus.examples("parity"), PROMPTS)
    return [tokenizer(prompt.read(example), add_special_tokens=False)["input_ids"] for example in drawn]


@pytest.fixture(scope="module")
def served(prompts: list[list[int]]) -> list[list[int]]:
    import numpy as np
    import openvino
    import openvino_genai

    scheduler = openvino_genai.SchedulerConfig()
    scheduler.cache_size = 1
    # In a thread, because the one that loads a model gets a signal stack that does not last: tests/support/signals.py.
    with ThreadPoolExecutor(1) as thread:
        pipeline = thread.submit(
            openvino_genai.ContinuousBatchingPipeline, PACKAGE / GGUF_NAME, scheduler, "CPU", asking.EXACT
        ).result()
    settings = openvino_genai.GenerationConfig()
    settings.max_new_tokens = TOKENS
    settings.ignore_eos = True
    inputs = [openvino.Tensor(np.array([ids], dtype=np.int64)) for ids in prompts]
    return [list(result.m_generation_ids[0]) for result in pipeline.generate(inputs, [settings] * len(inputs))]


@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("ignore")
def test_greedy_tokens_are_those_of_transformers(
    prompts: list[list[int]], served: list[list[int]], tmp_path: Path
) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed: the comparison with transformers needs it")
    pytest.importorskip("safetensors", reason="safetensors is not installed: the checkpoint cannot be written")
    from transformers import AutoModelForCausalLM

    from seedling import gguf_file

    gguf_file.write_checkpoint(PACKAGE / GGUF_NAME, tmp_path, PACKAGE)
    model = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    assert len(prompts) >= 50
    for number, (ids, ours) in enumerate(zip(prompts, served, strict=True)):
        with torch.no_grad():
            # Each token of ours is transformers' first choice after the same text: greedy decoding takes this path.
            logits = model(torch.tensor([ids + ours])).logits[0]
            assert logits[len(ids) - 1 : -1].argmax(-1).tolist() == ours, prompts[number]
            if number % 20 == 0:  # and by its own generation loop, which is slow
                settings = {"max_new_tokens": 16, "do_sample": False, "eos_token_id": None, "pad_token_id": 0}
                theirs = model.generate(
                    torch.tensor([ids]), attention_mask=torch.ones(1, len(ids), dtype=torch.long), **settings
                )
                assert theirs[0, len(ids) :].tolist() == ours[:16]


@pytest.mark.timeout(300)
def test_evaluation_stays_above_its_floors() -> None:
    cases = questions.cases(60)
    facts = [case for case in cases if case.group.startswith("facts")][::4]
    rest = [case for case in cases if not case.group.startswith("facts")]
    scores = evaluate.measure(facts + rest, asking.through_openvino(PACKAGE))
    assert set(FLOORS) <= set(scores)
    for group, floor in FLOORS.items():
        assert scores[group].right / scores[group].count >= floor, evaluate.table(scores)
    assert all(score.ended / score.count >= 0.95 for score in scores.values()), evaluate.table(scores)


def _tool(name: str, text: str, **types: str) -> dict[str, Any]:
    properties = {key: {"type": kind} for key, kind in types.items()}
    parameters = {"type": "object", "properties": properties, "required": list(types)}
    return {"type": "function", "function": {"name": name, "description": text, "parameters": parameters}}


WEATHER = _tool("get_weather", "Get the current weather in a city", city="string")
ADD = _tool("add", "Add two numbers", a="number", b="number")
SEARCH = _tool("search_docs", "Search the documentation", query="string")
CALLED = {
    "role": "assistant",
    "content": "",
    "tool_calls": [{"type": "function", "function": {"name": "get_weather", "arguments": {"city": "Berlin"}}}],
}
BERLIN = {"role": "user", "content": "What is the weather in Berlin?"}
DEMO: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]], questions.Right]] = {
    "greeting": ([{"role": "user", "content": "Hello! Who are you?"}], [], questions.says(("Seedling",))),
    "greeting beside tools": (
        [{"role": "user", "content": "你好！你是谁？"}],
        [WEATHER],
        questions.says(("Seedling",)),
    ),
    "ability": ([{"role": "user", "content": "Hi, what can you do?"}], [], questions.says(("questions", "tools"))),
    "one call": ([BERLIN], [WEATHER, ADD], questions.makes((Call("get_weather", {"city": "Berlin"}),))),
    "numbers": (
        [{"role": "user", "content": "Add 17 and 25."}],
        [ADD, WEATHER],
        questions.makes((Call("add", {"a": 17, "b": 25}),)),
    ),
    "search": (
        [{"role": "user", "content": "在文档里搜索流式输出"}],
        [SEARCH],
        questions.makes((Call("search_docs", {"query": "流式输出"}),)),
    ),
    "result": (
        [BERLIN, CALLED, {"role": "tool", "content": '{"city": "Berlin", "temperature": "21 °C", "sky": "clear"}'}],
        [WEATHER],
        questions.says(("21 °C", "clear")),
    ),
}


@pytest.mark.timeout(300)
def test_conversations_of_a_demo() -> None:
    cases = [
        questions.Case(name, tuple(messages), right, name, tuple(tools), thinking)
        for name, (messages, tools, right) in DEMO.items()
        for thinking in (False, True)
    ]
    replies = asking.through_openvino(PACKAGE)(cases)
    assert [case.group for case, reply in zip(cases, replies, strict=True) if not case.right(reply)] == []
