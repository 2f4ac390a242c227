"""Where a server is: what people write, made into scheme, host, port and path. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import unquote, urlsplit

from gateway.core.errors import SettingsError

DEFAULT = "http://127.0.0.1:9000/v1"
PORTS = {"http": 80, "https": 443}
ENDPOINTS = ("/chat/completions", "/completions", "/models")


@dataclass(frozen=True, slots=True)
class Address:
    """A base URL. ``path`` begins with a slash, or is empty."""

    scheme: str
    host: str
    port: int
    path: str

    def __str__(self) -> str:
        return f"{self.origin}{self.path}"

    @property
    def origin(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @property
    def local(self) -> bool:
        """Whether it is this machine."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy. ``user``: name and password with a colon between, or nothing."""

    host: str
    port: int
    user: str = ""


def parse_address(text: str) -> Address:
    """A base URL as people write it. Without a scheme it is http; without a path it is ``/v1``, as of OpenAI's API.
    SettingsError says what cannot be one."""
    given = text.strip()
    if not given or re.search(r"[\s\x00-\x1f\x7f]", given):
        raise SettingsError(f"{text!r} is no URL. Give one such as {DEFAULT}.")
    try:
        parts = urlsplit(given if "://" in given else f"http://{given}")
        host, port = parts.hostname, parts.port
    except ValueError as exc:
        raise SettingsError(f"{text!r} is no URL ({exc}). Give one such as {DEFAULT}.") from None
    if parts.scheme not in PORTS:
        raise SettingsError(f"{text!r} begins with {parts.scheme}://. Give an http:// or https:// URL.")
    if not host:
        raise SettingsError(f"{text!r} names no host. Give a URL such as {DEFAULT}.")
    if parts.username is not None or parts.password is not None:
        raise SettingsError("The URL has a password in it. Give the key with --key-file or OPENAI_API_KEY instead.")
    if parts.query or parts.fragment:
        raise SettingsError(f"{text!r} has a ? or # in it. Give the base URL alone, such as {DEFAULT}.")
    path = parts.path.rstrip("/")
    for endpoint in ENDPOINTS:  # who copies it from a curl command
        path = path.removesuffix(endpoint)
    if not path and parts.path.rstrip("/") == "":
        path = "/v1"
    return Address(parts.scheme, host, port if port is not None else PORTS[parts.scheme], path)


def proxy_of(address: Address, environ: Mapping[str, str]) -> Proxy | None:
    """The proxy that the environment names for this address. SettingsError where it is of a kind we cannot use."""
    lowered = {name.lower(): value for name, value in environ.items() if name.isupper()}
    named = lowered | {name: value for name, value in environ.items() if name.islower()}
    url = named.get(f"{address.scheme}_proxy") or named.get("all_proxy") or ""
    if not url or address.local or _bypassed(address, named.get("no_proxy", "")):
        return None
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        port = parts.port or 80
    except ValueError as exc:
        raise SettingsError(
            f"The environment's {address.scheme}_proxy is no URL ({exc}): correct or unset it."
        ) from None
    if parts.scheme != "http" or not parts.hostname:
        raise SettingsError(
            f"The environment names a proxy that is not http://HOST:PORT but {parts.scheme}://…, which is not "
            f"supported: unset it, or put {address.host} into no_proxy."
        )
    user = f"{unquote(parts.username)}:{unquote(parts.password or '')}" if parts.username else ""
    return Proxy(parts.hostname, port, user)


def _bypassed(address: Address, no_proxy: str) -> bool:
    """Whether ``no_proxy`` names the host, a domain it is in, or all."""
    for entry in no_proxy.lower().split(","):
        host, _, port = entry.strip().lstrip("*").lstrip(".").partition(":")
        if port and port != str(address.port):
            continue
        if entry.strip() == "*" or (host and f".{address.host}".endswith(f".{host}")):
            return True
    return False
