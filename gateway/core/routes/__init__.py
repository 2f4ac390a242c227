"""The shapes of Triton models that can answer: Generate → tensors, outputs → Piece. All tensor names are here."""

from gateway.core.routes.bind import BindError, Bound, bind, stop_tensors
from gateway.core.routes.decode import Decoder
from gateway.core.routes.tables import BLS, DIRECT, ENSEMBLE, LLMAPI, ROUTES, Input, Route

__all__ = [
    "BLS",
    "DIRECT",
    "ENSEMBLE",
    "LLMAPI",
    "ROUTES",
    "BindError",
    "Bound",
    "Decoder",
    "Input",
    "Route",
    "bind",
    "stop_tensors",
]
