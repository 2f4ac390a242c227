"""What the answer must look like → the guide of TensorRT-LLM's guided decoding.

It knows guide types (json, json_schema, regex, ebnf_grammar, structural_tag), XGrammar's structural tags and the forms
in which Qwen writes tool calls. It must not know tensors. Whether the engine can do it is for ``prompt`` to ask.

A structural tag describes a whole answer: https://xgrammar.mlc.ai/docs/tutorials/structural_tag.html. It lets a grammar
begin after ``</think>``, and forces tool calls.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from gateway.core.errors import RequestError
from gateway.core.schema.chat import SamplingFields
from gateway.core.types import CallStyle, Guide, Thinking

THINK_END = "</think>"
LONGEST = 64 * 1024  # characters of a guide; compiling one takes an engine's time
DEEPEST = 64

Format = dict[str, Any]


def requested(request: SamplingFields) -> Guide | None:
    """The guide a request asks for, or None. RequestError where it asks for two, or for one that is malformed."""
    guides = [guide for guide in (_of_format(request), *_of_extensions(request)) if guide is not None]
    if len(guides) > 1:
        raise RequestError(
            f"'{guides[0].field}' and '{guides[1].field}' both say what the answer must look like. Send one of them.",
            param=guides[1].field,
        )
    for guide in guides:
        if len(guide.value) > LONGEST:
            raise RequestError(f"'{guide.field}' is longer than {LONGEST} characters.", param=guide.field)
    return guides[0] if guides else None


def _of_format(request: SamplingFields) -> Guide | None:
    wanted = request.response_format
    if wanted is None or wanted.type == "text":
        return None
    if wanted.type == "json_object":
        return Guide("json", "", "response_format")
    if wanted.type == "regex":
        return Guide("regex", wanted.pattern or "", "response_format")
    if wanted.type == "grammar":
        return Guide("ebnf_grammar", wanted.grammar or "", "response_format")
    schema = wanted.json_schema.schema_ if wanted.json_schema else None
    if schema is None:
        raise RequestError(
            "Invalid 'response_format.json_schema': it needs 'schema'.", param="response_format.json_schema.schema"
        )
    return _schema(schema, "response_format")


def _of_extensions(request: SamplingFields) -> list[Guide | None]:
    outputs = request.structured_outputs
    pairs: list[tuple[str, str, Any]] = [
        ("json", "guided_json", request.guided_json),
        ("regex", "guided_regex", request.guided_regex),
        ("choice", "guided_choice", request.guided_choice),
        ("grammar", "guided_grammar", request.guided_grammar),
    ]
    if outputs is not None:
        pairs += [
            ("json", "structured_outputs.json", outputs.json_),
            ("object", "structured_outputs.json_object", outputs.json_object or None),
            ("regex", "structured_outputs.regex", outputs.regex),
            ("choice", "structured_outputs.choice", outputs.choice),
            ("grammar", "structured_outputs.grammar", outputs.grammar),
        ]
    return [_extension(kind, field, value) for kind, field, value in pairs if value is not None]


def _extension(kind: str, field: str, value: Any) -> Guide:
    if kind == "object":
        return Guide("json", "", field)
    if kind == "regex":
        return Guide("regex", value, field)
    if kind == "grammar":
        return Guide("ebnf_grammar", value, field)
    if kind == "choice":
        if not value:
            raise RequestError(f"'{field}' needs at least one choice.", param=field)
        return Guide("ebnf_grammar", f"root ::= {' | '.join(_literal(choice) for choice in value)}", field)
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as exc:
            raise RequestError(f"'{field}' is no JSON schema: {exc}.", param=field) from exc
    return _schema(value, field)


def _schema(schema: Any, field: str) -> Guide:
    if not isinstance(schema, dict):
        raise RequestError(f"'{field}' must be a JSON schema that is an object.", param=field)
    if _depth(schema) > DEEPEST:
        raise RequestError(f"The schema in '{field}' is nested deeper than {DEEPEST} levels.", param=field)
    return Guide("json_schema", json.dumps(schema, ensure_ascii=False), field)


def _depth(value: Any) -> int:
    """Levels of nesting, without recursion: the value is a stranger's."""
    depth, level = 0, [value]
    while level:
        depth += 1
        inner = [v for v in level if isinstance(v, (dict, list))]
        level = [child for v in inner for child in (v.values() if isinstance(v, dict) else v)]
    return depth


def _literal(text: str) -> str:
    """A string of EBNF: its escapes are those of JSON."""
    return json.dumps(text, ensure_ascii=False)


def after_thinking(guide: Guide, thinking: Thinking) -> Guide:
    """The same guide for an answer that begins with thinking, which no grammar must touch."""
    if thinking == "off":
        return guide
    thought = {
        "type": "tag",
        "begin": "" if thinking == "inside" else "<think>",
        "content": {"type": "any_text"},
        "end": THINK_END,
    }
    newlines = {"type": "regex", "pattern": "\\n{0,2}"}
    return _structural({"type": "sequence", "elements": [thought, newlines, _format(guide)]}, guide.field)


def or_call(guide: Guide, tools: Sequence[tuple[str, Mapping[str, Any]]], style: CallStyle) -> Guide:
    """An answer of the form that was asked for, or one call. Not several: XGrammar does not take a list that may go on
    beside a form that ends (seen on its structural tags of 2026)."""
    forms = [_format(guide), *(_call(name, schema, style) for name, schema in tools)]
    return _structural({"type": "or", "elements": forms}, guide.field)


def _format(guide: Guide) -> Format:
    """The guide as a part of a structural tag."""
    if guide.kind == "structural_tag":
        format: Format = json.loads(guide.value)["format"]
        return format
    if guide.kind == "json":
        return {"type": "json_schema", "json_schema": {"type": "object"}}
    if guide.kind == "json_schema":
        return {"type": "json_schema", "json_schema": json.loads(guide.value)}
    if guide.kind == "regex":
        return {"type": "regex", "pattern": guide.value}
    return {"type": "grammar", "grammar": guide.value}


def calls(
    tools: Sequence[tuple[str, Mapping[str, Any]]], style: CallStyle, *, parallel: bool, field: str = "tool_choice"
) -> Guide:
    """An answer of at least one call of these functions (name, schema of the parameters), and nothing else."""
    return _structural(
        {
            "type": "tags_with_separator",
            "tags": [_call(name, schema, style) for name, schema in tools],
            "separator": "\n",
            "at_least_one": True,
            "stop_after_first": not parallel,
        },
        field,
    )


def _call(name: str, schema: Mapping[str, Any], style: CallStyle) -> Format:
    begin, end = call_opening(name, style), "\n</function>\n</tool_call>" if style == "xml" else "}\n</tool_call>"
    kind = "qwen_xml_parameter" if style == "xml" else "json_schema"
    return {"type": "tag", "begin": begin, "content": {"type": kind, "json_schema": dict(schema)}, "end": end}


def call_opening(name: str | None, style: CallStyle) -> str:
    """How Qwen begins a call: up to the arguments, or up to the name where that is free."""
    if style == "xml":
        return "<tool_call>\n<function=" + (f"{name}>\n" if name else "")
    return '<tool_call>\n{"name": ' + (f'{_literal(name)}, "arguments": ' if name else '"')


def _structural(format: Format, field: str) -> Guide:
    text = json.dumps({"type": "structural_tag", "format": format}, ensure_ascii=False)
    return Guide("structural_tag", text, field)
