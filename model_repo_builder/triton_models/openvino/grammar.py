"""Compiles guides with a model's vocabulary, and nothing else: a pipeline around a model of a few operations.

OpenVINO GenAI compiles a guide in the first step of its request, with everything else at a standstill, and one
that does not compile takes the whole pipeline down. What was measured with openvino-genai 2026.4.1 and helps:

- The compiler and what it has compiled belong to the tokenizer: a guide that was compiled here with the
  tokenizer of another pipeline is ready there. Compiling here lets go of Python's interpreter lock.
- A guide that is wrong raises an error; one that is nested too deep crashes the process, and others take
  minutes or gigabytes. So a guide is tried in a process of its own first, which is this file run as a program:
  it says in one line of JSON what became of each guide, and ends when one takes too much.

It knows the library's structured output. It must not know requests or Triton, and imports nothing beside it.
"""

import json
import os
import resource
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import openvino_genai
from openvino import opset15

FOREIGN = (RuntimeError, ValueError, IndexError, OverflowError, MemoryError, TypeError)
"""What exceptions of the library become on their way into Python."""

CONTROL = ("<|", "|>"), ("[PAD", "]")
"""How the names of control tokens, and of ids that have no token, begin and end."""

MEMORY = 2 << 30
"""Bytes that compiling may add to the address space; each of the compiler's threads reserves 64 MiB of it."""

MANY = 200
"""Guides after which the compiler's memory of them is thrown away: it has no limit of its own."""


def structured_output(type: str, text: str) -> Any:
    """The library's configuration of a guide."""
    make = openvino_genai.StructuredOutputConfig
    if type == "json":
        return make(json_schema='{"type": "object"}')
    if type == "json_schema":
        return make(json_schema=text)
    if type == "regex":
        return make(regex=text)
    if type == "ebnf_grammar":
        return make(grammar=text)
    return make(structural_tags_config=text)


def control_ids(tokenizer: Any) -> frozenset[int]:
    """Ids that are no text, though the compiler takes their names for text."""
    return frozenset(
        id
        for name, id in tokenizer.get_vocab().items()
        if any(_text(name).startswith(start) and _text(name).endswith(end) for start, end in CONTROL)
    )


def _text(name: "str | bytes") -> str:
    return name if isinstance(name, str) else name.decode("utf-8", "replace")


class GrammarCompiler:
    def __init__(self, tokenizer: Any, vocab_size: int) -> None:
        self._tokenizer = tokenizer
        self._vocab_size = vocab_size
        self._pipeline = _pipeline(tokenizer, vocab_size)
        self._prompt = openvino.Tensor(np.zeros((1, 1), dtype=np.int64))

    def compile(self, type: str, text: str) -> None:
        """One of FOREIGN where that is impossible."""
        config = openvino_genai.GenerationConfig()
        config.max_new_tokens = 1
        config.eos_token_id = 0
        config.stop_token_ids = {0}
        config.structured_output_config = structured_output(type, text)
        self._pipeline.generate(self._prompt, config)

    def forget(self) -> None:
        """Throw away what was compiled: a tokenizer keeps one compiler, for one size of vocabulary."""
        GrammarCompiler(self._tokenizer, self._vocab_size + 1).compile("regex", "a")


def _pipeline(tokenizer: Any, vocab_size: int) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.xml"
        openvino.save_model(_model(vocab_size), path, compress_to_fp16=False)
        weights = openvino.Tensor(np.fromfile(path.with_suffix(".bin"), dtype=np.uint8))
        return openvino_genai.LLMPipeline(
            path.read_text("utf-8"),
            weights,
            tokenizer,
            "CPU",
            openvino_genai.GenerationConfig(),
            ATTENTION_BACKEND="SDPA",  # the other one would look for attention, and there is none
        )


def _model(vocab_size: int) -> Any:
    """The inputs and the output of a language model, and logits that say nothing."""
    ids = opset15.parameter([-1, -1], np.int64, name="input_ids")
    mask = opset15.parameter([-1, -1], np.int64, name="attention_mask")
    beams = opset15.parameter([-1], np.int32, name="beam_idx")
    for parameter in (ids, mask, beams):
        parameter.output(0).get_tensor().set_names({parameter.get_friendly_name()})

    def nothing(values: Any, axes: list[int]) -> Any:
        """Zero, made of an input, so that the input stays."""
        total = opset15.convert(opset15.reduce_sum(values, np.array(axes), False), np.float32)
        return opset15.multiply(total, np.float32(0))

    logits = opset15.convert(opset15.unsqueeze(ids, np.int64(-1)), np.float32)
    logits = opset15.add(logits, np.zeros((1, 1, vocab_size), dtype=np.float32))
    logits = opset15.add(logits, opset15.add(nothing(mask, [0, 1]), nothing(beams, [0])))
    logits.output(0).get_tensor().set_names({"logits"})
    return openvino.Model([opset15.result(logits)], [ids, mask, beams], "vocabulary")


def reason(error: Exception) -> str:
    """What the compiler says of a guide, without the places in its source."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[-1] if lines else type(error).__name__
    for mark in (" is false: ", " error: "):
        text = text.rpartition(mark)[2]
    place, _, rest = text.partition(": ")
    text = rest if "/" in place and rest else text
    text = text.partition(" The JSON string is:")[0]
    return text[:200].rstrip(" .:")


def main() -> None:
    """``grammar.py MODEL VOCAB_SIZE MILLISECONDS``: a line [type, text] in, a line with what is wrong with it out."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # the library prints
    model, vocab_size, limit = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]) / 1000
    compiler = GrammarCompiler(openvino_genai.Tokenizer(model), vocab_size)
    compiler.compile("regex", "a")
    print(json.dumps(""), file=answers, flush=True)
    for count, line in enumerate(sys.stdin, start=1):
        type, text = json.loads(line)
        _limit_memory(MEMORY)
        # Both signals end the process. Time of the processor, so that a busy machine refuses no more than an idle one.
        signal.setitimer(signal.ITIMER_PROF, limit)
        signal.setitimer(signal.ITIMER_REAL, 8 * limit)
        wrong = ""
        try:
            compiler.compile(type, text)
        except FOREIGN as error:
            wrong = reason(error) or "it does not compile"
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        print(json.dumps(wrong), file=answers, flush=True)
        if count % MANY == 0:
            _limit_memory(resource.RLIM_INFINITY)
            compiler.forget()


def _limit_memory(more: int) -> None:
    used = int(Path("/proc/self/statm").read_text("ascii").split()[0]) * resource.getpagesize()
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = resource.RLIM_INFINITY if more == resource.RLIM_INFINITY else used + more
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))


if __name__ == "__main__":
    main()
