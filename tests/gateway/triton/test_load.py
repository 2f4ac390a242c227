"""Loads from the page of a real tritonserver, from pages of each release, and from pages that mean harm."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.balance import Load
from gateway.triton.load import LoadReader, load_of
from tests.support.lone_triton import MODEL, LoneTriton


async def test_a_real_page(lone: LoneTriton) -> None:
    """See GAUGES: seven active of which five are scheduled, 50 of 200 blocks."""
    assert await LoadReader(lone.metrics, model=MODEL).read() == Load(running=5, waiting=2, kv_used_fraction=0.25)
    assert await LoadReader(lone.metrics).read() == Load(running=5, waiting=2, kv_used_fraction=0.25)
    assert await LoadReader(lone.metrics, model="other").read() is None


async def test_a_triton_that_is_stopped_is_waited_for_only_so_long(lone: LoneTriton) -> None:
    lone.freeze()
    try:
        assert await LoadReader(lone.metrics, timeout_seconds=0.2).read() is None
    finally:
        lone.thaw()


def request_gauge(kind: str, value: object, model: str = "tensorrt_llm", version: str = "1") -> str:
    labels = f'model="{model}",request_type="{kind}",version="{version}"'
    return f"nv_trt_llm_request_metrics{{{labels}}} {value}\n"


def block_gauge(kind: str, value: object) -> str:
    labels = f'kv_cache_block_type="{kind}",model="tensorrt_llm",version="1"'
    return f"nv_trt_llm_kv_cache_block_metrics{{{labels}}} {value}\n"


def pending(value: object, model: str = "tensorrt_llm") -> str:
    return f'nv_inference_pending_request_count{{model="{model}",version="1"}} {value}\n'


PAGES = [
    ("early", request_gauge("active", 7) + request_gauge("scheduled", 5), Load(5, 2)),
    ("late", request_gauge("active", 7) + request_gauge("scheduled", 5) + request_gauge("waiting", 1), Load(5, 1)),
    ("active only", request_gauge("active", 7), Load(7)),
    ("a gauge between two updates", request_gauge("active", 4) + request_gauge("scheduled", 5), Load(5, 0)),
    ("Triton's own", pending(3), Load(None, 3)),
    ("before and in the backend", pending(3) + request_gauge("active", 7) + request_gauge("scheduled", 5), Load(5, 5)),
    ("used of max", block_gauge("used", 50) + block_gauge("max", 200), Load(kv_used_fraction=0.25)),
    ("free of max", block_gauge("free", 150) + block_gauge("max", 200), Load(kv_used_fraction=0.25)),
    ("fraction", block_gauge("fraction", 0.4875), Load(kv_used_fraction=0.4875)),
    ("more used than there are", block_gauge("used", 9) + block_gauge("max", 3), Load(kv_used_fraction=1.0)),
    ("no blocks", block_gauge("used", 0) + block_gauge("max", 0), None),
    ("of another model", request_gauge("active", 7, model="other"), None),
    ("two versions", request_gauge("scheduled", 2) + request_gauge("scheduled", 3, version="2"), Load(5)),
    ("NaN", request_gauge("scheduled", "NaN") + request_gauge("waiting", 1), Load(None, 1)),
    ("infinite and negative", request_gauge("active", "+Inf") + request_gauge("waiting", -1), None),
    ("absurd", request_gauge("active", "1e300"), None),
    ("no number", request_gauge("scheduled", "many") + request_gauge("waiting", 1), Load(None, 1)),
    ("labels cut off", 'nv_trt_llm_request_metrics{model="a\n' + request_gauge("waiting", 1), Load(None, 1)),
    ("a line without end", 'nv_trt_llm_request_metrics{model="' + "x" * 100_000 + '"} 1\n', None),
    ("others' metrics", "nv_gpu_utilization 1\nnv_trt_llm_general_metrics{} 4\n", None),
    ("no metrics", "<html>nothing here</html>", None),
    ("empty", "", None),
]  # fmt: skip


@pytest.mark.parametrize(("page", "expected"), [row[1:] for row in PAGES], ids=[row[0] for row in PAGES])
def test_pages(page: str, expected: Load | None) -> None:
    assert load_of(page, "tensorrt_llm") == expected


@given(st.text(), st.sampled_from(["", "nv_trt_llm_request_metrics{", 'nv_inference_pending_request_count{model="m"']))
def test_any_text_is_a_load_or_none(text: str, start: str) -> None:
    load = load_of(start + text)
    assert load is None or (load.running or 0) >= 0


def test_a_page_of_very_many_lines_is_read_in_part() -> None:
    """Bounded in samples, because the parser is slow and the event loop waits for it."""
    page = request_gauge("scheduled", 1) * 30_000
    assert load_of(page) == Load(1_000)


HARM = [
    ("another status", b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n"),
    ("no HTTP", b"220 mail.example ESMTP\r\n\r\n"),
    ("closed at once", b""),
    ("half a head", b"HTTP/1.1 200 OK\r\n"),
    ("endless head", b"HTTP/1.1 200 OK\r\n" + b"x: " + b"y" * 1_000_000),
    ("too long by its own word", b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n"),
    ("a length that is none", b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n"),
    ("a length of letters", b"HTTP/1.1 200 OK\r\ncontent-length: ten\r\n\r\n"),
    ("too long without a word", b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 5_000_000),
    ("binary", b"HTTP/1.1 200 OK\r\n\r\n" + bytes(range(256))),
]


@asynccontextmanager
async def answering(reply: bytes, *, keep_open: bool = False) -> AsyncIterator[str]:
    """A server whose only answer this is; the URL of it. ``keep_open``: it never closes by itself."""
    leaving = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(reply)
            await writer.drain()
            if keep_open:
                await leaving.wait()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the reader had enough
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/metrics"
        leaving.set()


@pytest.mark.parametrize("reply", [row[1] for row in HARM], ids=[row[0] for row in HARM])
async def test_a_page_that_is_none_is_no_load(reply: bytes) -> None:
    async with answering(reply) as url:
        assert await LoadReader(url).read() is None


async def test_a_page_with_its_length_needs_no_end_of_the_connection() -> None:
    page = pending(4).encode()
    reply = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(page) + page
    async with answering(reply, keep_open=True) as url:
        assert await LoadReader(url).read() == Load(None, 4)


async def test_a_page_that_never_ends_is_left_in_time() -> None:
    async with answering(b"HTTP/1.1 200 OK\r\n\r\n" + pending(4).encode(), keep_open=True) as url:
        assert await LoadReader(url, timeout_seconds=0.2).read() is None


URLS = ["http://127.0.0.1:1/metrics", "http://no-such-name.invalid/", "ftp://x/", "http://", "http://a:b/", "ä", ""]


@pytest.mark.parametrize("url", URLS)
async def test_a_url_that_leads_nowhere_is_no_load(url: str) -> None:
    assert await LoadReader(url).read() is None
