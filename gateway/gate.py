"""Who is let in, and what each request is charged. It knows keys, callers and limits; it must not know HTTP headers.

Without a key file everybody is let in, as everybody's own. With one, every path but the few that are open needs a key:
what is not known to be open is closed, so that no new route can be forgotten.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from typing_extensions import Self

from gateway.core.caller import ANYONE, Caller
from gateway.core.errors import Forbidden, GatewayError, RateLimited, Unauthorized
from gateway.core.window import LONGEST_WAIT, Window
from gateway.keys import KeyFile
from gateway.settings.keys import KeySettings

if TYPE_CHECKING:
    from gateway.limits import Limiter

logger = logging.getLogger("gateway.keys")

ALWAYS_OPEN = frozenset({"/healthz"})
FOR_ADMINS = ("/metrics", "/debug")  # and what is below


class Gate:
    """The keys in force and the counters of their limits; a context, inside of which the key file is watched."""

    def __init__(
        self, settings: KeySettings, refused: Callable[[str], None], *, also_open: Collection[str] = ()
    ) -> None:
        """Reads the key file; SettingsError where that fails. ``refused`` is told the reason of each refusal.
        ``also_open``: paths of what is the same for everybody."""
        self._settings = settings
        self._refused = refused
        self._file = KeyFile(Path(settings.file)) if settings.file else None
        self._limiter = _limiter(settings) if settings.file else None  # without keys there are no limits
        self._open = ALWAYS_OPEN | set(settings.open) | set(also_open)
        self._watch: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        if self._limiter is not None:
            await self._limiter.open()
        if self._file is not None:
            self._watch = asyncio.ensure_future(self._file.watch(self._settings.poll_seconds))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        if self._limiter is not None:
            await self._limiter.close()

    @property
    def closed(self) -> bool:
        """Whether keys are needed at all."""
        return self._file is not None

    def reload(self) -> None:
        """Reads the key file now. A wrong one changes nothing and is logged."""
        if self._file is not None:
            self._file.reload()

    def admit(self, path: str, presented: Sequence[bytes]) -> Caller:
        """Whose request for ``path`` this is. ``presented``: what may be a key; one that is good is enough."""
        if self._file is None or path in self._open:
            return ANYONE
        try:
            caller = self._known(presented)
            if not caller.admin and any(path == each or path.startswith(f"{each}/") for each in FOR_ADMINS):
                raise Forbidden("This key may not see how the gateway is doing; that takes one made with --admin.")
        except GatewayError as error:
            self._refused(error.code or error.type)
            raise
        return caller

    def _known(self, presented: Sequence[bytes]) -> Caller:
        assert self._file is not None
        if not presented:
            raise Unauthorized("No API key was given. Send 'authorization: Bearer KEY' or 'x-api-key: KEY'.")
        found = [key for each in presented if (key := self._file.keys.find(each))]
        if not found:
            raise Unauthorized("The API key is not valid here. See that it is whole, and made for this server.")
        now = time.time()
        for key in found:
            if key.expires is None or now < key.expires:
                return key.caller
        raise Unauthorized(f"The API key '{found[0].caller.name}' has expired. Ask for a new one.")

    def permit(self, caller: Caller, model: str) -> None:
        """Forbidden unless the caller may use the model."""
        if not caller.may_use(model):
            self._refused("model")
            names = ", ".join(f"'{name}'" for name in sorted(caller.models or ()))
            raise Forbidden(f"This key may not use the model {model[:256]!r}. It may use {names}.", param="model")

    def bill(self, caller: Caller) -> Bill:
        """The account of one request."""
        return Bill(caller, self._limiter, self._settings.assumed_answer_tokens, self._refused)


def _limiter(settings: KeySettings) -> Limiter:
    from gateway.limits import Limiter  # a tenth of a second, for those who have limits

    return Limiter(
        settings.redis,
        away=settings.away,
        timeout=settings.redis_timeout_seconds,
        prefix=settings.redis_prefix,
    )


class Bill:
    """What one request is charged of its caller's limits. ``windows``: how those stand, as far as they were asked."""

    def __init__(
        self, caller: Caller, limiter: Limiter | None, assumed_answer_tokens: int, refused: Callable[[str], None]
    ) -> None:
        """``limiter``: None only where the caller has no limits."""
        self.caller = caller
        self._limiter = limiter
        self._assumed = assumed_answer_tokens
        self._refused = refused
        self._charged = 0
        self._windows: dict[str, Window] = {}

    @property
    def windows(self) -> Mapping[str, Window]:
        """By "requests" and "tokens"."""
        return self._windows

    async def request(self) -> None:
        """Charges a request. RateLimited where the minute has no room."""
        if self.caller.requests_per_minute:
            await self._take("requests", self.caller.requests_per_minute, 1)

    async def tokens(self, prompt: int, answer: int) -> None:
        """Charges the prompt and what the answer may have: ``answer`` at most, and no more than is assumed of any, for
        nobody knows its length before. RateLimited where the minute has no room."""
        limit = self.caller.tokens_per_minute
        if limit:
            # A guess above the limit would never fit, however short the answer; a prompt above it never does.
            cost = min(prompt + min(answer, self._assumed), max(limit, prompt))
            await self._take("tokens", limit, cost)
            self._charged = cost

    def settle(self, used: int) -> None:
        """Charges what the tokens were in truth in place of the guess. Once, at the end."""
        if self._limiter is not None and self._charged and used != self._charged:
            self._limiter.correct(f"{self.caller.name}/tokens", used - self._charged)
        self._charged = 0

    async def _take(self, kind: str, limit: int, cost: int) -> None:
        assert self._limiter is not None
        granted, window = await self._limiter.take(f"{self.caller.name}/{kind}", limit, cost)
        self._windows[kind] = window
        if granted:
            return
        self._refused(kind)
        after = window.retry_after(cost)
        if after is None:
            raise RateLimited(
                f"The request has {cost} {kind}, more than this key may use in a minute ({limit}). Make it smaller.",
                kind=kind,
                retry_after=LONGEST_WAIT,
                hopeless=True,
            )
        raise RateLimited(
            f"This key's limit of {limit} {kind} per minute is reached: the request needs about {cost}, and "
            f"{window.remaining} are left. Try again in {after} s.",
            kind=kind,
            retry_after=after,
        )
