"""Every error of the gateway, as one tree. It knows statuses and OpenAI's error vocabulary; it must not know
HTTP frameworks, gRPC or logging: the boundary modules map foreign errors into this tree, and one handler in
``http`` maps this tree into replies.

    GatewayError                     500  server_error
    ├── RequestError                 400  invalid_request_error      the client must change the request
    │   ├── UnsupportedField         400                             known field that the bound model cannot honour
    │   ├── ContextLengthExceeded    400  code context_length_exceeded
    │   ├── ModelNotFound            404  code model_not_found
    │   ├── ResponseNotFound         404                             nothing is stored, so no response is there later
    │   ├── PayloadTooLarge          413
    │   ├── Unauthorized             401  code invalid_api_key       no key, a wrong one, or one that has expired
    │   └── Forbidden                403  code permission_denied     the key is good, but not for this
    ├── RateLimited                  429  code rate_limit_exceeded   the key's own limit is used up; + Retry-After
    ├── Overloaded                   503  code overloaded            all is busy, the queue is full; + Retry-After
    ├── LimitsUnavailable            503  + Retry-After              what counts the limits is away, and none may pass
    ├── ShuttingDown                 503  code shutting_down         this gateway ends; + Retry-After
    ├── UpstreamError                502  server_error               Triton or the engine failed this request
    │   ├── UpstreamUnavailable      503  + Retry-After              Triton is away, or the model is not loaded
    │   └── UpstreamTimeout          504  code timeout               a deadline passed; the request was ended in Triton
    ├── SettingsError                     a wrong setting stops the start; never reaches a client
    └── ClientDisconnected           499                             nobody is left to read the reply
"""

from __future__ import annotations


class GatewayError(Exception):
    """Base of all. ``message`` is for the client, ``param`` the request field it is about."""

    status = 500
    type = "server_error"
    code: str | None = None
    retry_after: int | None = None  # seconds; SDKs obey up to 60

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        if code is not None:
            self.code = code


class RequestError(GatewayError):
    """The request is wrong: repeating it unchanged cannot help."""

    status = 400
    type = "invalid_request_error"


class UnsupportedField(RequestError):
    """A known field that the bound Triton model has no input for, or that is not served."""

    code = "unsupported_parameter"


class ContextLengthExceeded(RequestError):
    """Prompt, or prompt and ``max_tokens``, do not fit the model's context."""

    code = "context_length_exceeded"


class ModelNotFound(RequestError):
    """No configured model has this name."""

    status = 404
    code = "model_not_found"


class ResponseNotFound(RequestError):
    """A stored response was asked for; this server stores nothing."""

    status = 404


class PayloadTooLarge(RequestError):
    """The body is larger than the configured limit."""

    status = 413
    code = "payload_too_large"


class Unauthorized(RequestError):
    """No key was presented, or none that is known and has not expired."""

    status = 401
    code = "invalid_api_key"


class Forbidden(RequestError):
    """The key is good, but its owner may not do this."""

    status = 403
    code = "permission_denied"


class RateLimited(GatewayError):
    """The key's own limit of requests or tokens is used up. ``hopeless``: the request can never fit."""

    status = 429
    type = "rate_limit_error"
    code = "rate_limit_exceeded"

    def __init__(self, message: str, *, kind: str, retry_after: int, hopeless: bool = False) -> None:
        """``kind``: what there was too much of, "requests" or "tokens"."""
        super().__init__(message)
        self.kind = kind
        self.retry_after = retry_after
        self.hopeless = hopeless


class LimitsUnavailable(GatewayError):
    """What counts the limits of keys is away, and the operator chose to let nobody in meanwhile."""

    status = 503
    code = "limits_unavailable"
    retry_after = 1


class Overloaded(GatewayError):
    """Every engine of the model is busy, and so is the queue for it."""

    status = 503
    code = "overloaded"

    def __init__(self, message: str, *, retry_after: int) -> None:
        """``retry_after``: seconds, 1 to 60."""
        super().__init__(message)
        self.retry_after = retry_after


class ShuttingDown(GatewayError):
    """This gateway ends. The request, sent again, reaches another or the next one."""

    status = 503
    code = "shutting_down"
    retry_after = 1


class UpstreamError(GatewayError):
    """Triton or the engine failed this request, or broke its contract."""

    status = 502
    code = "upstream_error"


class UpstreamUnavailable(UpstreamError):
    """Triton cannot be reached, or does not serve the model now. Trying again can help."""

    status = 503
    code = "service_unavailable"
    retry_after = 1


class UpstreamTimeout(UpstreamError):
    """Triton or the engine did not answer within a deadline."""

    status = 504
    code = "timeout"


class SettingsError(GatewayError):
    """A setting that cannot work. The text is one sentence a person can act on."""


class ClientDisconnected(GatewayError):
    """The client left; its request was cancelled upstream. The status is for logs and metrics only."""

    status = 499
