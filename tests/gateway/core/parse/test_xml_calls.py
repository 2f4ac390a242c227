import json
from typing import Any

import pytest

from gateway.core.parse.machine import LIMIT
from gateway.core.parse.xml_calls import NAME, XmlCalls
from gateway.core.types import CallArguments, CallStart, Content, Part
from tests.gateway.core.parse.reading import call, call_id, check, read

TOOLS: dict[str, dict[str, Any]] = {
    "edit": {
        "type": "object",
        "properties": {
            "path": {"type": "string"},
            "text": {"type": "string"},
            "line": {"type": "integer"},
            "force": {"type": "boolean"},
            "options": {"type": "object"},
            "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        },
    },
    "now": {},
}


def machine(*, parallel: bool = True) -> XmlCalls:
    return XmlCalls(tools=TOOLS, call_id=call_id, parallel=parallel)


def function(name: str, **parameters: str) -> str:
    lines = [f"<parameter={key}>\n{value}\n</parameter>\n" for key, value in parameters.items()]
    return f"<function={name}>\n{''.join(lines)}</function>"


def wrapped(body: str) -> str:
    return f"<tool_call>\n{body}\n</tool_call>"


EDIT = wrapped(function("edit", path="a.py", line="12"))
EDITED = '{"path": "a.py", "line": 12}'
NOW = wrapped(function("now"))


def one(key: str, value: str) -> str:
    return wrapped(function("edit", **{key: value}))


CALLS = [
    pytest.param(EDIT, call(0, "edit", EDITED), id="one"),
    pytest.param(NOW, call(0, "now", "{}"), id="no-parameters"),
    pytest.param(f"{EDIT}\n{NOW}\n", [*call(0, "edit", EDITED), *call(1, "now", "{}")], id="two"),
    pytest.param(f"Let me.\n\n{EDIT}", [Content("Let me."), *call(0, "edit", EDITED)], id="content-first"),
    pytest.param(
        f"a\n{EDIT} b\n{NOW}\nc",
        [Content("a"), *call(0, "edit", EDITED), Content(" b"), *call(1, "now", "{}"), Content("\nc")],
        id="content-around",
    ),
    pytest.param(
        "<tool_call><function=edit><parameter=path>a.py</parameter></function></tool_call>",
        call(0, "edit", '{"path": "a.py"}'),
        id="no-newlines",
    ),
    pytest.param(
        "<tool_call>\n<function=now>\n</function>\n<function=now></function>\n</tool_call>",
        [*call(0, "now", "{}"), *call(1, "now", "{}")],
        id="two-in-one-pair",
    ),
    pytest.param(
        "I'll look.\n\n" + function("edit", path="*.md") + "\n</tool_call>",
        [Content("I'll look."), *call(0, "edit", '{"path": "*.md"}')],
        id="opening-tag-missing-ollama-16686",
    ),
    pytest.param(
        function("now") + "\n" + function("now") + "\nDone",
        [*call(0, "now", "{}"), *call(1, "now", "{}"), Content("\nDone")],
        id="no-tags-around",
    ),
    pytest.param(
        "<tool_call>\n<function=other>\n<parameter=a>\n1\n</parameter>\n<parameter=b>\nx\n</parameter>\n</function>"
        "\n</tool_call>",
        call(0, "other", '{"a": 1, "b": "x"}'),
        id="unknown-function",
    ),
    pytest.param(one("path", ""), call(0, "edit", '{"path": ""}'), id="empty-value"),
    pytest.param(one("path", "\n a\n\n b \n"), call(0, "edit", r'{"path": "\n a\n\n b \n"}'), id="newlines-in-it"),
    pytest.param(
        one("text", 'if a < b and "c":\n\treturn </p> <parameter=x> </function> \\ 好'),
        call(0, "edit", r'{"text": "if a < b and \"c\":\n\treturn </p> <parameter=x> </function> \\ 好"}'),
        id="markup-in-a-value",
    ),
    pytest.param(
        one("text", "<a>\n</a>\n</function>\n<tool_call>\n</parameters>"),
        call(0, "edit", r'{"text": "<a>\n</a>\n</function>\n<tool_call>\n</parameters>"}'),
        id="tags-in-a-value",
    ),
    pytest.param(one("查询", "城市"), call(0, "edit", '{"查询": "城市"}'), id="unknown-parameter-is-a-string"),
    pytest.param(one("unknown", "12"), call(0, "edit", '{"unknown": "12"}'), id="unknown-parameter-of-digits"),
    pytest.param(one("force", "true"), call(0, "edit", '{"force": true}'), id="boolean"),
    pytest.param(one("force", "True"), call(0, "edit", '{"force": true}'), id="boolean-as-the-template-writes"),
    pytest.param(one("force", "maybe"), call(0, "edit", '{"force": "maybe"}'), id="no-boolean"),
    pytest.param(
        one("options", '{\n  "a": ["</b>"]\n}'), call(0, "edit", '{"options": {\n  "a": ["</b>"]\n}}'), id="object"
    ),
    pytest.param(one("note", "null"), call(0, "edit", '{"note": null}'), id="null"),
    pytest.param(one("note", "nullable"), call(0, "edit", '{"note": "nullable"}'), id="no-null"),
    pytest.param(
        "<tool_call>\n<function= edit >\n<parameter= path >\na\n</parameter>\n</function>\n</tool_call>",
        call(0, "edit", '{"path": "a"}'),
        id="whitespace-in-names",
    ),
    pytest.param(
        "<tool_call>\n<function=edit>\n<parameter=path>\na\n</function>\n</tool_call>\nb",
        [*call(0, "edit", '{"path": "a"}'), Content("\nb")],
        id="end-of-parameter-missing",
    ),
    pytest.param(
        "<tool_call>\n<function=edit>\n<parameter=path>\na\n</parameter>\n</tool_call>" + NOW,
        [*call(0, "edit", '{"path": "a"}'), *call(1, "now", "{}")],
        id="end-of-function-missing",
    ),
    pytest.param(
        "<function=edit>\n<parameter=path>\na\n</parameter>\n" + NOW,
        [*call(0, "edit", '{"path": "a"}'), *call(1, "now", "{}")],
        id="both-ends-missing",
    ),
    pytest.param("<tool_call>\n<function=now>\n</tool_call>", call(0, "now", "{}"), id="nothing-in-the-function"),
    pytest.param(
        "<function=edit>\n<parameter=path>\na\n</parameter>\n\nI did <b>\n" + NOW,
        [*call(0, "edit", '{"path": "a"}'), Content("\n\nI did <b>"), *call(1, "now", "{}")],
        id="text-ends-a-call",
    ),
    pytest.param(
        "<function=edit>\n<parameter=path>\na\n</parameter>\n<parameter=a<b>\n</function>",
        [*call(0, "edit", '{"path": "a"}'), Content("\n<parameter=a<b>\n</function>")],
        id="no-name-ends-a-call",
    ),
    pytest.param(
        "<function=edit>\n<parameter=path>\na\n</parameter>\n</parameter>\n<parameter=line>1</parameter></function>",
        call(0, "edit", '{"path": "a", "line": 1}'),
        id="end-of-parameter-twice",
    ),
]

NO_CALLS = [
    pytest.param("", id="empty"),
    pytest.param("1 < 2 </b>\n", id="text"),
    pytest.param("The <tool_call> tag and <function=NAME>.", id="about-the-tags"),
    pytest.param("Write <function=edit> for it", id="about-a-function"),
    pytest.param("<function=other>\n<parameter=a>\n1\n</parameter>\n</function>", id="bare-and-unknown"),
    pytest.param("<tool_call>\n</tool_call>", id="nothing-in-it"),
    pytest.param('<tool_call>\n{"name": "edit", "arguments": {}}\n</tool_call>', id="hermes"),
    pytest.param("<tool_call>\n<function=>\n</function>\n</tool_call>", id="no-name"),
    pytest.param("<tool_call>\n<function=ed\nit>\n</function>\n</tool_call>", id="newline-in-the-name"),
    pytest.param(f"<tool_call>\n<function={'a' * (NAME + 1)}>\n</function>\n</tool_call>", id="long-name"),
    pytest.param("</tool_call>", id="lone-end-tag"),
    pytest.param("<parameter=path>\na\n</parameter>", id="lone-parameter"),
    pytest.param("a\n<tool_ca", id="cut-in-the-tag"),
    pytest.param("a\n<tool_call>\n<func", id="cut-in-the-second-tag"),
    pytest.param("a\n<tool_call>\n<function=edi", id="cut-in-the-name"),
    pytest.param("a\n<tool_call>\n<function=edit>\n", id="cut-behind-the-name"),
    pytest.param("a\n<tool_call>\n<function=edit>\n<para", id="cut-in-the-parameter"),
    pytest.param("<function" * 5, id="beginnings"),
]


@pytest.mark.parametrize(("text", "expected"), CALLS)
def test_calls(text: str, expected: list[Part]) -> None:
    check(machine, text, expected)


@pytest.mark.parametrize("text", NO_CALLS)
def test_what_is_no_call_is_content_as_written(text: str) -> None:
    check(machine, text, [Content(text)] if text else [])


@pytest.mark.parametrize("text", [*(case for case in NO_CALLS if not case.id.startswith("cut"))])
def test_a_call_behind_what_is_none(text: str) -> None:
    check(machine, f"{text}.\n{EDIT}", [Content(f"{text}."), *call(0, "edit", EDITED)])


CUT = [
    pytest.param("<parameter=pa", "", id="in-a-name"),
    pytest.param("<parameter=path>\n", "", id="in-front-of-a-value"),
    pytest.param("<parameter=path>\na.p", '{"path": "a.p', id="in-a-string"),
    pytest.param("<parameter=path>\na.py\n</para", '{"path": "a.py', id="in-the-end-of-a-string"),
    pytest.param("<parameter=path>\na.py\n</parameter>\n", '{"path": "a.py"', id="behind-a-value"),
    pytest.param("<parameter=path>\na.py\n</parameter>\n</func", '{"path": "a.py"', id="in-the-end-of-the-function"),
    pytest.param("<parameter=line>\n12", "", id="in-a-number"),
    pytest.param("</function>\n</tool_", "{}", id="in-the-end-tag"),
]


@pytest.mark.parametrize(("text", "arguments"), CUT)
def test_a_call_that_is_cut_off_stays(text: str, arguments: str) -> None:
    check(machine, f"<tool_call>\n<function=edit>\n{text}", call(0, "edit", arguments))


def test_the_name_comes_once_and_strings_stream() -> None:
    parser = machine()
    assert parser.push("Yes.\n<tool_call>\n<function=edit>\n<param") == [Content("Yes.")]
    assert not parser.called
    assert parser.push("eter=") == [CallStart(0, "call-0", "edit")]
    assert parser.called
    assert parser.push("text>\n") == []
    assert parser.push('a "b') == [CallArguments(0, r'{"text": "a \"b')]
    assert parser.push("\n") == []
    assert parser.push("c\n</") == [CallArguments(0, r"\nc")]
    assert parser.push("p>\n</parameter>\n") == [CallArguments(0, r'\n</p>"')]
    assert parser.push("</function>\n</tool_call>") == [CallArguments(0, "}")]
    assert parser.flush() == []


def test_one_call_only_where_calls_are_not_parallel() -> None:
    parser = machine(parallel=False)
    assert parser.push(EDIT[: EDIT.index("</function>")]) == call(0, "edit", EDITED[:-1])
    assert not parser.done
    assert parser.push(f"</function>\n</tool_call>\n{NOW} and so on") == [CallArguments(0, "}")]
    assert parser.done
    assert parser.push("more") == []
    assert parser.flush() == []


def test_what_is_held_is_limited() -> None:
    fits = "<tool_call>" + " " * (LIMIT - 100) + EDIT.removeprefix("<tool_call>")
    assert read(machine(), [fits]) == read(machine(), fits) == call(0, "edit", EDITED)
    long = "<tool_call>" + " " * (LIMIT + 100)
    expected = [Content("<tool_call>" + " " * (LIMIT + 100 - 256)), *call(0, "edit", EDITED)]
    assert read(machine(), [long + EDIT]) == read(machine(), long + EDIT) == expected


@pytest.mark.parametrize("size", range(1, len(EDIT)))
def test_a_cut_answer_invents_nothing(size: int) -> None:
    parts = read(machine(), EDIT[:size])
    whole = "".join(part.text for part in parts if isinstance(part, CallArguments))
    assert EDITED.startswith(whole)
    if not any(isinstance(part, CallStart) for part in parts):
        assert parts == [Content(EDIT[:size])]
    if whole == EDITED:
        assert json.loads(whole)
