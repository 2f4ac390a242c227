"""Trains Seedling on one GPU and writes its GGUF file and its transformers checkpoint.

`python -m seedling.train --output FOLDER` with the defaults is the training of the published file. Examples are made while
training, by one process per core, from seeds that depend on the step alone: the same command sees the same text.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import os
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer

from seedling import corpus, gguf_file, prompt
from seedling.network import Network, same_conversation
from seedling.shape import GGUF_NAME, PACKAGE, SEEDLING, Shape

PROMPT_WEIGHT = 8  # of 255: the model is to answer, but reading a prompt teaches a little too
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


@dataclass(frozen=True, slots=True)
class Plan:
    """What one training run is."""

    steps: int = 8800
    rows: int = 32
    length: int = 4096
    seconds: float = 1e9
    rate: float = 3e-3
    warmup: int = 150
    cooldown: float = 0.5
    seed: int = 1
    device: str = "cuda"
    start: Path | None = None
    drills: float = 0.0
    tokenizer: Path = PACKAGE


@cache
def _tokenizer(folder: Path) -> Tokenizer:
    return Tokenizer.from_file(str(folder / "tokenizer.json"))


def batch(job: tuple[int, int, int, int, float, Path]) -> np.ndarray:
    """Rows for one step: token, weight of its prediction, position and conversation number, as four layers."""
    seed, step, rows, length, drills, folder = job
    tokenizer = _tokenizer(folder)
    end = tokenizer.token_to_id("<|im_end|>")
    out = np.zeros((4, rows, length), dtype=np.int32)
    out[3] = -1
    stream = corpus.examples(f"{seed}/{step}", drills)
    filled = [0] * rows
    number = 0
    open_rows = list(range(rows))
    while open_rows:
        drawn = [next(stream) for _ in range(64)]
        read = tokenizer.encode_batch_fast([prompt.read(e) for e in drawn], add_special_tokens=False)
        written = tokenizer.encode_batch_fast([prompt.write_answer(e) for e in drawn], add_special_tokens=False)
        for first, second in zip(read, written, strict=True):
            ids = [*first.ids, *second.ids, end]
            size = len(ids)
            if size > length or not open_rows:
                continue
            row = next((r for r in open_rows if length - filled[r] >= size), None)
            if row is None:
                open_rows.remove(max(open_rows, key=lambda r: filled[r]))
                continue
            at = filled[row]
            out[0, row, at : at + size] = ids
            # The weight stands where the prediction is made: one before the token.
            out[1, row, at : at + size - 1] = PROMPT_WEIGHT
            out[1, row, at + len(first.ids) - 1 : at + size - 1] = 255
            out[2, row, at : at + size] = np.arange(size)
            out[3, row, at : at + size] = number
            number += 1
            filled[row] += size
            if length - filled[row] < 48:
                open_rows.remove(row)
    return out


def rate_at(done: float, step: int, plan: Plan) -> float:
    """Warm up, hold, then fall to zero over the last part. `done` is the share of the run that is over."""
    if step < plan.warmup:
        return (step + 1) / plan.warmup
    return min(1.0, (1 - done) / plan.cooldown)


def optimizers(network: Network, plan: Plan) -> list[torch.optim.Optimizer]:
    if plan.start is not None and plan.device == "cpu":
        return [torch.optim.AdamW(network.parameters(), lr=plan.rate, betas=(0.9, 0.98), weight_decay=0.0)]
    matrices = [p for n, p in network.named_parameters() if p.ndim == 2 and "embed" not in n]
    others = [p for n, p in network.named_parameters() if p.ndim != 2 or "embed" in n]
    fused = plan.device == "cuda"
    return [
        torch.optim.Muon(matrices, lr=plan.rate, weight_decay=0.05, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=plan.rate, betas=(0.9, 0.98), weight_decay=0.0, fused=fused),
    ]


def train(plan: Plan, shape: Shape = SEEDLING) -> Network:
    torch.manual_seed(plan.seed)
    torch.set_float32_matmul_precision("high")
    network = Network(shape)
    if plan.start is not None:
        network.load_state_dict({name: torch.from_numpy(w) for name, w in gguf_file.read(plan.start, shape).items()})
    network = network.to(plan.device)
    print(f"{sum(p.numel() for p in network.parameters()):,} parameters", flush=True)
    steppers = optimizers(network, plan)
    loss_of = torch.compile(network) if plan.device == "cuda" else network
    mask_of = torch.compile(same_conversation) if plan.device == "cuda" else same_conversation
    workers = max(1, (os.cpu_count() or 2) - 1)
    jobs = ((plan.seed, step, plan.rows, plan.length, plan.drills, plan.tokenizer) for step in range(plan.steps))
    began = time.monotonic()
    recent: list[torch.Tensor] = []
    with multiprocessing.get_context("fork" if plan.device == "cpu" else "spawn").Pool(workers) as pool:
        for step, packed in enumerate(_ahead(pool, jobs, workers * 3)):
            spent = time.monotonic() - began
            done = max(step / plan.steps, spent / plan.seconds)
            if done >= 1:
                break
            layers = torch.from_numpy(packed).to(plan.device, non_blocking=True)
            ids = layers[0].long()
            for stepper in steppers:
                for group in stepper.param_groups:
                    group["lr"] = plan.rate * rate_at(done, step, plan)
            with torch.autocast(plan.device, torch.bfloat16, enabled=plan.device == "cuda"):
                mask = mask_of(layers[3])
                loss = loss_of(ids, layers[2], mask, ids.roll(-1, 1), layers[1].float())
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            for stepper in steppers:
                stepper.step()
                stepper.zero_grad(set_to_none=True)
            recent.append(loss.detach())
            if step % 100 == 99 or step < 3 or (plan.device == "cpu" and step % 10 == 9):
                mean = torch.stack(recent).mean().item()
                tokens = (step + 1) * plan.rows * plan.length
                print(
                    f"step {step + 1} {time.monotonic() - began:.0f} s, {tokens / 1e6:.0f} M tokens, loss {mean:.4f}",
                    flush=True,
                )
                recent.clear()
                if math.isnan(mean):
                    raise SystemExit("The loss is not a number; lower --rate.")
        pool.terminate()
    return network


def _ahead(pool, jobs, depth):  # type: ignore[no-untyped-def]
    """Results in order, with `depth` jobs running ahead, so that memory stays bounded."""
    waiting = []
    for job in jobs:
        waiting.append(pool.apply_async(batch, (job,)))
        if len(waiting) > depth:
            yield waiting.pop(0).get()
    while waiting:
        yield waiting.pop(0).get()


def main() -> None:
    plan = Plan()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True, help="folder for the GGUF file and the checkpoint")
    parser.add_argument("--steps", type=int, default=plan.steps)
    parser.add_argument("--rows", type=int, default=plan.rows)
    parser.add_argument("--length", type=int, default=plan.length)
    parser.add_argument(
        "--seconds", type=float, default=plan.seconds, help="stop (with the full cooldown) after so many seconds"
    )
    parser.add_argument("--rate", type=float, default=plan.rate)
    parser.add_argument("--seed", type=int, default=plan.seed)
    parser.add_argument("--device", default=plan.device)
    parser.add_argument("--warmup", type=int, default=plan.warmup)
    parser.add_argument("--drills", type=float, default=plan.drills, help="share of copying beyond that of the mixture")
    parser.add_argument("--tokenizer", type=Path, default=plan.tokenizer, help="folder of the vocabulary")
    parser.add_argument("--start", type=Path, help="go on from this GGUF file instead of from nothing")
    chosen = vars(parser.parse_args())
    output = chosen.pop("output")
    output.mkdir(parents=True, exist_ok=True)
    plan = Plan(**chosen)
    network = train(plan)
    weights = {name: p.detach().float().cpu().numpy() for name, p in network.named_parameters()}
    path = output / GGUF_NAME
    gguf_file.write(path, weights, plan.tokenizer)
    print(f"{path.name}: {path.stat().st_size:,} bytes", flush=True)


if __name__ == "__main__":
    main()
