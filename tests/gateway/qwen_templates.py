"""Chat templates of Qwen for tests, each with a tokenizer: written here, of the project's own model, or Qwen's own.

Qwen1.5, Qwen2 and Qwen2.5 are written from what is known of them: ChatML, and which system text they put first. Those
of Qwen3 are read, with Qwen's vocabulary, from a folder beside the project (../shared/qwen) that not everybody has.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from gateway.tokenizer import HuggingFaceTokenizer
from tests.support.tokenizer import write_tokenizer

ROOT = Path(__file__).parents[2]
QWEN = ROOT.parent / "shared" / "qwen"
SEEDLING = ROOT / "model_repo_builder" / "seedling"


def chatml(system: str) -> str:
    """Every message is a turn; where none of the system comes first, ``system`` does."""
    return (
        "{% for message in messages %}"
        "{% if loop.first and message['role'] != 'system' %}"
        "{{ '<|im_start|>system\\n" + system + "<|im_end|>\\n' }}"
        "{% endif %}"
        "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
        "{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
    )


QWEN25_SYSTEM = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."
QWEN25 = (
    """\
{%- if messages[0]['role'] == 'system' %}
    {%- set system, turns = messages[0]['content'], messages[1:] %}
{%- else %}
    {%- set system, turns = 'SYSTEM', messages %}
{%- endif %}
{{- '<|im_start|>system\\n' + system }}
{%- if tools %}
    {{- '\\n\\n# Tools\\n\\n<tools>' }}
    {%- for tool in tools %}
        {{- '\\n' }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- '\\n</tools>\\n\\nCalls go between <tool_call></tool_call>, as JSON.' }}
{%- endif %}
{{- '<|im_end|>\\n' }}
{%- for message in turns %}
    {%- if message.role == 'tool' %}
        {%- if loop.first or loop.previtem.role != 'tool' %}
            {{- '<|im_start|>user' }}
        {%- endif %}
        {{- '\\n<tool_response>\\n' + message.content + '\\n</tool_response>' }}
        {%- if loop.last or loop.nextitem.role != 'tool' %}
            {{- '<|im_end|>\\n' }}
        {%- endif %}
    {%- elif message.role == 'assistant' and message.tool_calls %}
        {{- '<|im_start|>assistant' }}
        {%- if message.content %}
            {{- '\\n' + message.content }}
        {%- endif %}
        {%- for call in message.tool_calls %}
            {%- set call = call.function if call.function is defined else call %}
            {{- '\\n<tool_call>\\n{"name": "' + call.name + '", "arguments": ' }}
            {{- call.arguments | tojson }}
            {{- '}\\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\\n' }}
    {%- else %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
"""
).replace("SYSTEM", QWEN25_SYSTEM)

WRITTEN = {
    "qwen1.5": chatml("You are a helpful assistant"),
    "qwen2": chatml("You are a helpful assistant."),
    "qwen2.5": QWEN25,
    "small": None,  # the template that the tests' small tokenizer has
}
PUBLISHED = ("qwen3", "qwen3-thinking-2507", "qwen3-coder")
ALL = (*WRITTEN, "seedling", *PUBLISHED)


@dataclass(frozen=True, slots=True)
class Served:
    """A tokenizer as the gateway has it, and as transformers has it."""

    name: str
    tokenizer: HuggingFaceTokenizer
    reference: Any

    @property
    def reads_thinking(self) -> bool:
        return "reasoning_content" in self.tokenizer.variables


def served(name: str, folder: Path) -> Served:
    """``folder``: where to write the tokenizer to. Skips where Qwen's files are needed and absent."""
    source = folder
    if name == "seedling":
        source = SEEDLING
    elif name in WRITTEN:
        write_tokenizer(folder)
        if (template := WRITTEN[name]) is not None:
            set_template(folder, template)
    else:
        if not QWEN.is_dir():
            pytest.skip("Qwen's tokenizer and templates are not beside the project (../shared/qwen)")
        folder.mkdir(parents=True, exist_ok=True)
        for file in ("vocab.json", "merges.txt"):
            shutil.copy(QWEN / "tokenizer" / file, folder / file)
        shutil.copy(QWEN / "tokenizer" / "tokenizer_config.qwen3.json", folder / "tokenizer_config.json")
        set_template(folder, (QWEN / "templates" / f"{name}.jinja").read_text("utf-8"))
    reference = AutoTokenizer.from_pretrained(str(source))
    if not (source / "tokenizer.json").exists():  # as the checkpoints have it, beside the files it is made of
        reference.backend_tokenizer.save(str(source / "tokenizer.json"))
    return Served(name, HuggingFaceTokenizer.load(str(source)), reference)


def set_template(folder: Path, template: str | None) -> None:
    """Give the tokenizer in the folder another chat template, or none."""
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), "chat_template": template}), "utf-8")
    for file in folder.glob("*.jinja"):
        file.unlink()
