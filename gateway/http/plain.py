"""Routes whose endpoints take the request and read it themselves: FastAPI describes them, Starlette runs them.

It knows FastAPI's way of wrapping an endpoint. It must not know any endpoint.
"""

from __future__ import annotations

import inspect
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.routing import request_response


class PlainRoute(APIRoute):
    """FastAPI looks for parameters, dependencies and bodies of every request, with a stack of contexts for each. An
    endpoint that takes nothing but ``request`` is called without: that is a tenth of what a short request costs."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        if list(inspect.signature(self.endpoint).parameters) == ["request"]:
            self.app = request_response(self.endpoint)


def plain_router(prefix: str = "", *, include_in_schema: bool = True) -> APIRouter:
    """A router of such routes."""
    return APIRouter(prefix=prefix, include_in_schema=include_in_schema, route_class=PlainRoute)


def include(app: FastAPI, router: APIRouter) -> None:
    """As ``app.include_router``, of a router with nothing but routes. They are the application's own then: one search
    finds a route, where FastAPI searches every included router twice."""
    app.router.routes += router.routes
