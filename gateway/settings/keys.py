"""``[keys]`` of gateway.toml: where the API keys are, and how their limits are counted. It must not read any of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, cast
from urllib.parse import urlsplit

from gateway.core.errors import SettingsError

# What the operator may open to everybody. Whatever costs the engine time cannot be among it.
OPENABLE = ("/readyz", "/metrics", "/docs", "/openapi.json", "/version")


@dataclass(frozen=True, slots=True)
class KeySettings:
    """Without ``file`` every route is open to everybody. With it, every route but /healthz needs a key."""

    file: str = ""  # TOML with [[keys]], as `gateway keys new` writes it; looked at again and again while serving
    open: tuple[str, ...] = ()  # routes that need no key even so
    poll_seconds: float = 1.0  # between looks at the file
    assumed_answer_tokens: int = 1024  # charged to tokens_per_minute at most, before the answer's length is known
    redis: str = field(default="", repr=False)  # redis://, rediss:// or unix:// URL: gateways count together
    redis_away: str = "open"  # or "closed": whether requests are let in while Redis cannot be reached
    redis_timeout_seconds: float = 0.5  # for all that one request wants of Redis
    redis_prefix: str = "gateway"  # of every name in Redis; gateways with the same one share limits

    def __post_init__(self) -> None:
        strange = [path for path in self.open if path not in OPENABLE]
        if strange:
            raise SettingsError(
                f"[keys] open has {strange[0]!r}, but only these can be opened: {', '.join(OPENABLE)}. /healthz always "
                "is."
            )
        for name in ("poll_seconds", "redis_timeout_seconds"):
            if not 0.01 <= getattr(self, name) <= 60:
                raise SettingsError(f"[keys] {name} must be between 0.01 and 60.")
        if not 1 <= self.assumed_answer_tokens <= 1_000_000:
            raise SettingsError("[keys] assumed_answer_tokens must be between 1 and 1000000.")
        if self.redis_away not in ("open", "closed"):
            raise SettingsError(f"[keys] redis_away is {self.redis_away!r}, but must be open or closed.")
        if self.redis and not _is_redis(self.redis):  # never repeated: it may hold a password
            raise SettingsError("[keys] redis must be a URL such as redis://127.0.0.1:6379/0, rediss://… or unix://….")
        if not self.redis_prefix:
            raise SettingsError("[keys] redis_prefix must not be empty; gateways with the same one share limits.")
        if not self.file and (self.redis or self.open):
            raise SettingsError(
                "[keys] has settings but no 'file'; `gateway keys new NAME --file keys.toml` makes one."
            )

    @property
    def away(self) -> Literal["open", "closed"]:
        return cast(Literal["open", "closed"], self.redis_away)


def _is_redis(url: str) -> bool:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    if parts.scheme == "unix":
        return bool(parts.path)
    return parts.scheme in ("redis", "rediss") and bool(parts.hostname) and port != 0
