"""What the service asks of a transport to Triton: one verb that feeds, and a look at a model before it.

This is the only thing the layers above know of Triton's wire, so that the transport can be replaced without touching
anything else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.core.tensors import ModelSignature, Response, Tensor


@dataclass(frozen=True, slots=True)
class Call:
    """One request to a model. ``id`` is unique among those in flight; ``outputs`` empty: all of them.

    ``stop``: the model and the tensors that, sent under the same id, end the request from inside. It is how a request
    is ended early where the engine has such an input: a gRPC cancel that meets the last response crashes tritonserver
    2.51, and an ensemble passes none on to an engine that is still silent. None: it can only be cancelled, which then
    waits a moment where the answer is over for its reader, because an engine that was given the same stop words ends
    in the same moment (that crash was seen twice at some 4,800 requests with stop strings over BLS, on a busy machine).

    ``ends_itself`` is asked when the reading ends before the last response: whether the engine is about to end the
    request anyway, because it came to its limit or its end id. Then nothing is cancelled or stopped, for the same
    reason: the last response is on its way.

    ``headers``: metadata of the request, which Triton's own traces look into.
    """

    model: str
    id: str
    tensors: Sequence[Tensor]
    outputs: Sequence[str] = ()
    stop: tuple[str, Sequence[Tensor]] | None = None
    ends_itself: Callable[[], bool] = lambda: False
    headers: Sequence[tuple[str, str]] = ()


# Takes responses that arrived together, never none. True: it has enough, and the request may end.
Take = Callable[[Sequence[Response]], bool]


class Transport(Protocol):
    """A connection to one Triton. Every method raises only errors of ``core.errors``, and what ``take`` raises."""

    async def feed(self, call: Call, take: Take) -> None:
        """Hands the responses to one request to ``take`` in the turn of the event loop in which they arrive: there is
        no task to wake and nothing to wait for between a token and its reader. Returns after the last, or when ``take``
        has enough; that, an error of ``take`` and being cancelled end the request in Triton."""
        ...

    async def signature(self, model: str) -> ModelSignature | None:
        """What the model declares; None where Triton has no such model. UpstreamUnavailable where Triton is away."""
        ...

    async def ready(self, model: str) -> bool:
        """Whether Triton answers and the model can take requests. Never raises."""
        ...

    async def live(self) -> None:
        """Comes back where Triton answers and says that it lives. UpstreamUnavailable where it does not."""
        ...

    async def version(self) -> str:
        """Triton's own version. UpstreamError where it does not say."""
        ...

    async def close(self) -> None:
        """Ends the connection."""
        ...
