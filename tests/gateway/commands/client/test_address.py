"""Base URLs as people write them, and the proxies of the environment."""

from __future__ import annotations

import pytest

from gateway.commands.client.address import Proxy, parse_address, proxy_of
from gateway.core.errors import SettingsError

WRITTEN = [
    ("http://127.0.0.1:9000/v1", "http://127.0.0.1:9000/v1"),
    ("http://127.0.0.1:9000", "http://127.0.0.1:9000/v1"),
    ("http://127.0.0.1:9000/", "http://127.0.0.1:9000/v1"),
    ("gpu-1:9000", "http://gpu-1:9000/v1"),
    ("gpu-1", "http://gpu-1:80/v1"),
    ("https://api.example.com/openai/v3/", "https://api.example.com:443/openai/v3"),
    ("http://h:1/v1/chat/completions", "http://h:1/v1"),
    ("http://h:1/v1/models", "http://h:1/v1"),
    ("http://[::1]:9000/v1", "http://[::1]:9000/v1"),
    (" http://h:1/v1 ", "http://h:1/v1"),
]


@pytest.mark.parametrize(("text", "address"), WRITTEN, ids=[text for text, _ in WRITTEN])
def test_what_is_written(text: str, address: str) -> None:
    assert str(parse_address(text)) == address
    assert str(parse_address(address)) == address


WRONG = [
    ("", "is no URL"),
    ("ftp://h", "begins with ftp://"),
    ("http://", "names no host"),
    ("http://h:99999", "is no URL"),
    ("http://h:x", "is no URL"),
    ("http://[::1", "is no URL"),
    ("http://h/v1?key=1", "base URL alone"),
    ("http://h/v1#x", "base URL alone"),
    ("http://h/v1\r\nx: y", "is no URL"),
    ("http://h h/v1", "is no URL"),
    ("http://h/\x1b[2J", "is no URL"),
    ("http://user:secret@h/v1", "--key-file"),
]


@pytest.mark.parametrize(("text", "said"), WRONG, ids=[repr(text) for text, _ in WRONG])
def test_what_is_none(text: str, said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_address(text)
    assert said in caught.value.message
    assert "secret" not in caught.value.message
    assert "\x1b" not in caught.value.message


PROXIES = [
    ("http://h/v1", {}, None),
    ("http://h/v1", {"http_proxy": "http://p:3128"}, Proxy("p", 3128)),
    ("http://h/v1", {"HTTP_PROXY": "http://p:3128"}, Proxy("p", 3128)),
    ("http://h/v1", {"HTTP_PROXY": "http://q:1", "http_proxy": "http://p:3128"}, Proxy("p", 3128)),
    ("http://h/v1", {"http_proxy": "p:3128"}, Proxy("p", 3128)),
    ("http://h/v1", {"https_proxy": "http://p:3128"}, None),
    ("https://h/v1", {"https_proxy": "http://p:3128"}, Proxy("p", 3128)),
    ("https://h/v1", {"all_proxy": "http://p"}, Proxy("p", 80)),
    ("https://h/v1", {"https_proxy": "http://u:p%40ss@p:1"}, Proxy("p", 1, "u:p@ss")),
    ("http://h/v1", {"http_proxy": "http://p:1", "no_proxy": "x, h"}, None),
    ("http://h.in.example/v1", {"http_proxy": "http://p:1", "no_proxy": ".example"}, None),
    ("http://h.in.example/v1", {"http_proxy": "http://p:1", "NO_PROXY": "*.in.example"}, None),
    ("http://h.notexample/v1", {"http_proxy": "http://p:1", "no_proxy": "example"}, Proxy("p", 1)),
    ("http://h:9000/v1", {"http_proxy": "http://p:1", "no_proxy": "h:9000"}, None),
    ("http://h:9000/v1", {"http_proxy": "http://p:1", "no_proxy": "h:1"}, Proxy("p", 1)),
    ("http://h/v1", {"http_proxy": "http://p:1", "no_proxy": "*"}, None),
    ("http://h/v1", {"http_proxy": "http://p:1", "no_proxy": ","}, Proxy("p", 1)),
    ("http://127.0.0.1/v1", {"http_proxy": "http://p:1"}, None),
    ("http://localhost/v1", {"http_proxy": "http://p:1"}, None),
]


@pytest.mark.parametrize(("url", "environ", "proxy"), PROXIES, ids=[f"{u} {e}" for u, e, _ in PROXIES])
def test_the_environment_s_proxy(url: str, environ: dict[str, str], proxy: Proxy | None) -> None:
    assert proxy_of(parse_address(url), environ) == proxy


@pytest.mark.parametrize("proxy", ["socks5://p:1", "https://p:1", "http://", "http://p:x"])
def test_a_proxy_that_cannot_be_used_is_named(proxy: str) -> None:
    with pytest.raises(SettingsError, match=r"proxy"):
        proxy_of(parse_address("http://h/v1"), {"all_proxy": proxy})
