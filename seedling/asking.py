"""Ways to ask the model the evaluation's questions: its file in this process, the same weights in transformers, or a server."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from seedling.exchange import Call
from seedling.questions import Case, Reply
from seedling.shape import GGUF_NAME, PACKAGE

MAX_TOKENS = 400
# With these the CPU engine computes what transformers computes; its own defaults round activations and the KV cache to 8 bit.
EXACT = {"INFERENCE_PRECISION_HINT": "f32", "KV_CACHE_PRECISION": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0}
Ask = Callable[[Sequence[Case]], list[Reply]]


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
