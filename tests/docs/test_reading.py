"""What reads the documentation, read itself: markers, commands, links."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.core.errors import RequestError, SettingsError
from gateway.settings import PARTS
from model_repo_builder.errors import BuilderError
from scripts.docs.contracts_page import spans
from scripts.docs.pages import ROOT, in_site, places
from scripts.docs.settings_page import ARRAYS, meanings
from tests.docs.bodies import check_body, check_toml
from tests.docs.commands import check_command, commands
from tests.docs.snippets import snippets

BLOCK = "```bash\nmake demo\n```\n"


@pytest.mark.parametrize(
    ("text", "verb"),
    [
        (BLOCK, "checked"),
        (f"<!-- snippet: run -->\n{BLOCK}", "run"),
        (f"<!-- snippets: shown, of a GPU -->\n\nWords.\n\n{BLOCK}", "shown"),
        (f"<!-- snippets: shown, of a GPU -->\n<!-- snippet: run -->\n{BLOCK}", "run"),
        (f"1. One\n\n    <!-- snippet: run -->\n{BLOCK}".replace("```bash", "    ```bash"), "run"),
    ],
    ids=["language", "block", "page", "block-over-page", "in-a-list"],
)
def test_a_block_is_what_its_marker_says(text: str, verb: str) -> None:
    [snippet] = snippets("page", text)
    assert (snippet.verb, snippet.text) == (verb, "make demo\n") or snippet.text.startswith("make demo")


@pytest.mark.parametrize(
    "text",
    [
        f"<!-- snippet: shown -->\n{BLOCK}",
        f"<!-- snippet: tried -->\n{BLOCK}",
        f"<!-- snippet: run -->\n\nWords\n\n{BLOCK}",
    ],
    ids=["no-reason", "no-such-verb", "not-above-a-block"],
)
def test_a_marker_that_says_nothing_is_wrong(text: str) -> None:
    with pytest.raises(ValueError, match="page:"):
        list(snippets("page", text))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("gateway check --list > out.txt", [["gateway", "check", "--list"]]),
        ("KEY=1 gateway chat -m - < in | cat", [["gateway", "chat", "-m", "-"], ["cat"]]),
        ("make demo \\\n  MODEL=x   # why", [["make", "demo", "MODEL=x"]]),
        ("# nothing", []),
    ],
    ids=["redirected", "piped", "continued", "comment"],
)
def test_commands_are_found(text: str, found: list[list[str]]) -> None:
    assert list(commands(text)) == found


@pytest.mark.parametrize(
    "line",
    [
        "gateway serve --configuration x",
        "gateway sing",
        "model-repo-builder plan --tp-sizes 2",
        "make everything",
        "curl http://127.0.0.1:9000/v1/chat/completions -d '{\"messages\": []}'",
        "curl http://127.0.0.1:9000/v1/chat/completions -d '{\"temprature\": 1}'",
    ],
)
def test_a_wrong_command_is_found(line: str) -> None:
    [words] = commands(line)
    with pytest.raises((AssertionError, RequestError)):
        check_command(words)


@pytest.mark.parametrize(
    "text", ["[servers]\nport = 1", "[server]\nport = -1", "[[keys]]\nname = 1", "endpoints = [1]", 'dtype = "bf17"']
)
def test_a_wrong_file_is_found(text: str, tmp_path: Path) -> None:
    with pytest.raises((SettingsError, ValueError, BuilderError)):
        check_toml(text, tmp_path)


def test_a_wrong_body_is_found() -> None:
    with pytest.raises(RequestError):
        check_body("chat", {"temperature": 3})


WHERE = {
    "docs/index.md": "index.md",
    "deploy/README.md": "deploy/index.md",
    "docs/reference/errors.md": "reference/errors.md",
}


@pytest.mark.parametrize(
    ("uri", "link", "expected"),
    [
        ("guides/keys.md", "[a](../index.md)", "[a](../index.md)"),
        ("guides/keys.md", "[a](../../deploy/README.md#size-it)", "[a](../deploy/index.md#size-it)"),
        ("guides/keys.md", "[a](../../deploy/)", "[a](../deploy/index.md)"),
        ("guides/keys.md", "[`errors`](../../gateway/core/errors.py)", "`errors`"),
        ("contributing.md", "[a](docs/reference/errors.md)", "[a](reference/errors.md)"),
        ("index.md", "[a](https://x.org/y) [b](#c)", "[a](https://x.org/y) [b](#c)"),
        ("index.md", "[a\nb](../deploy/README.md)", "[a\nb](deploy/index.md)"),
        ("index.md", "```\n[a](nowhere)\n```", "```\n[a](nowhere)\n```"),
    ],
    ids=["page", "borrowed", "folder", "code", "from-the-root", "elsewhere", "over-lines", "in-a-block"],
)
def test_links_lead_into_the_site(uri: str, link: str, expected: str) -> None:
    assert in_site(link, uri, WHERE) == (expected + "\n", [])


def test_a_link_to_nothing_is_told() -> None:
    assert in_site("[a](nowhere.md)", "index.md", WHERE) == ("a\n", ["nowhere.md"])


def test_the_readmes_lead_somewhere() -> None:
    for name in ("README.md", "README.zh.md", "CONTRIBUTING.md"):
        assert in_site((ROOT / name).read_text("utf-8"), "contributing.md", places())[1] == []


@pytest.mark.parametrize(
    ("kinds", "said"),
    [
        ("nnn", ["all, n"]),
        ("nno", ["up to 2, n", "3, o"]),
        (" oo", ["from 2 on, o"]),
        (" oo ", ["2 to 3, o"]),
        ("o  ", ["1, o"]),
    ],
)
def test_contracts_are_told_in_few_words(kinds: str, said: list[str]) -> None:
    assert list(spans([(str(number), kind.strip()) for number, kind in enumerate(kinds, 1)])) == said


@pytest.mark.parametrize("cls", [*PARTS.values(), *(cls for cls, _ in ARRAYS.values())], ids=lambda cls: cls.__name__)
def test_every_setting_has_a_meaning(cls: type) -> None:
    assert [name for name, meaning in meanings(cls).items() if not meaning] == []
