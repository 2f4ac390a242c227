"""``/docs``: the API's description as a page to read. It knows HTML; what there is to say is in ``/openapi.json``.

FastAPI's own page loads its scripts from elsewhere, which a cluster without internet cannot, and a server that takes
keys should not. This one has no script and loads nothing.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from starlette.responses import Response

from gateway.http.plain import plain_router
from gateway.http.playground import HEADERS
from gateway.http.schemas import body_of, fields, short, within

STYLE = """
:root { color-scheme: light dark; --line: light-dark(#dfe1dd, #2d3236); --soft: light-dark(#585f62, #9fa8ad);
  --accent: light-dark(#0d6b66, #63c5bc); --sunk: light-dark(#f3f4f2, #101214); }
body { margin: 0 auto; padding: 24px 20px 80px; max-width: 60rem; background: light-dark(#fcfcfb, #141618);
  color: light-dark(#1a1d1e, #e6e8e6); font: 15px/1.55 system-ui, "Noto Sans", "Noto Sans CJK SC", sans-serif; }
code, pre { font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: 0.9em; }
pre { padding: 12px; overflow-x: auto; background: var(--sunk); border: 1px solid var(--line); border-radius: 7px; }
a { color: var(--accent); }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
nav ul { padding: 0; list-style: none; columns: 20rem; }
h2 { margin-top: 2.4em; padding-top: 0.6em; border-top: 1px solid var(--line); font-size: 1.15em; }
.method { display: inline-block; min-width: 4.6em; color: var(--soft); font-weight: 600; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { padding: 4px 12px 4px 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 600; }
summary { margin: 12px 0; cursor: pointer; color: var(--accent); }
details h3 { font-size: 1em; margin-bottom: 0.3em; }
"""
_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY = f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
EXAMPLE = """\
curl "$GATEWAY/v1/chat/completions" -H "Content-Type: application/json" -H "Authorization: Bearer $KEY" \\
    -d '{"model": "…", "messages": [{"role": "user", "content": "Hello"}], "stream": true}'"""


def router(app: FastAPI) -> APIRouter:
    """``/docs`` of an application."""
    routes = plain_router(include_in_schema=False)
    page: list[str] = []  # written when it is first asked for

    @routes.api_route("/docs", methods=["GET", "HEAD"])
    async def docs(request: Request) -> Response:
        if not page:
            page.append(html(app.openapi()))
        return Response(
            page[0], media_type="text/html; charset=utf-8", headers=HEADERS | {"content-security-policy": POLICY}
        )

    return routes


def html(document: Mapping[str, Any]) -> str:
    """The whole page, from an OpenAPI description."""
    title = escape(document["info"]["title"])
    operations = [
        (method.upper(), path, operation)
        for path, of_path in document["paths"].items()
        for method, operation in of_path.items()
    ]
    links = "".join(
        f'<li><a href="#{_anchor(method, path)}">{_named(method, path)}</a></li>' for method, path, _ in operations
    )
    schemas = document["components"]["schemas"]
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}: API</title>
<style>{STYLE}</style>
</head>
<body>
<header>
<h1>{title}: API</h1>
<p>{escape(document["info"].get("summary", ""))}, version {escape(document["info"]["version"])}. The same for programs:
<a href="openapi.json">openapi.json</a>.</p>
<pre><code>{escape(EXAMPLE)}</code></pre>
</header>
<nav aria-label="Endpoints"><ul>{links}</ul></nav>
<main>
{"".join("".join(_operation(*each, schemas)) for each in operations)}
</main>
</body>
</html>
"""


def _operation(
    method: str, path: str, operation: Mapping[str, Any], schemas: Mapping[str, Mapping[str, Any]]
) -> Iterator[str]:
    yield f'<section id="{_anchor(method, path)}">\n<h2>{_named(method, path)}</h2>\n'
    yield _paragraphs(operation.get("description", ""))
    body = body_of(operation)
    if body is not None:
        yield _paragraphs(body.get("description", ""))
        yield _table(body)
        names = within(body, schemas)
        if names:
            yield "<details><summary>Objects in this body</summary>\n"
            for name in names:
                yield f"<h3><code>{escape(short(name))}</code></h3>\n"
                yield _paragraphs(schemas[name].get("description", ""))
                yield _table(schemas[name])
            yield "</details>\n"
    yield "</section>\n"


def _table(schema: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td>{_words(kind)}</td><td>{'yes' if needed else ''}</td></tr>"
        for name, kind, needed in fields(schema)
    )
    if not rows:
        return "<p>Any object.</p>\n"
    head = "<tr><th>field</th><th>type</th><th>needed</th></tr>"
    return f'<div class="scroll"><table><thead>{head}</thead><tbody>{rows}</tbody></table></div>\n'


def _paragraphs(text: str) -> str:
    return "".join(f"<p>{_words(part)}</p>\n" for part in text.split("\n\n") if part.strip())


def _words(text: str) -> str:
    """Text with what stands between backticks as code."""
    return re.sub(r"`+([^`]+)`+", r"<code>\1</code>", escape(text))


def _named(method: str, path: str) -> str:
    return f'<span class="method">{method}</span> <code>{escape(path)}</code>'


def _anchor(method: str, path: str) -> str:
    return f"{method.lower()}{re.sub('[^a-z0-9]+', '-', path.lower())}".rstrip("-")
