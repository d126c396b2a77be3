"""What a route is: a request that is answered, and all that is known of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from aiohttp import web

from streams.api.access import Scope
from streams.api.problems import Problem
from streams.api.query_parameters import Parameter
from streams.api.service import Service


class Route(NamedTuple):
    """A request that is answered.

    Attributes:
        method: GET (then also HEAD) or another; OPTIONS is answered everywhere.
        path: with `{id}` for what varies.
        name: in metrics, and of the operation in the OpenAPI document.
        answer: is given the service and the request; the first line of its docstring documents the route.
        scope: that a token must have; None: for anybody, and not counted.
        parameters: of its query; with a scope, others are refused.
    """

    method: str
    path: str
    name: str
    answer: Callable[[Service, web.Request], Awaitable[web.StreamResponse]]
    scope: Scope | None = None
    parameters: tuple[Parameter, ...] = ()

    @property
    def sentence(self) -> str:
        """What it answers, in words."""
        return (self.answer.__doc__ or "").splitlines()[0]


class Site(NamedTuple):
    """Pages for people, answered beside the routes for programs.

    Attributes:
        routes: of the pages, and of what they load.
        authorization: what a request for a page bears, as the header of that name would say it; None for nothing.
        told: a problem as a page.
    """

    routes: tuple[Route, ...]
    authorization: Callable[[web.Request], str | None]
    told: Callable[[Problem, web.Request], web.Response]


def methods(declared: str) -> tuple[str, ...]:
    """What a route with this declared method answers: with GET also HEAD, and always OPTIONS, which comes last."""
    return ("GET", "HEAD", "OPTIONS") if declared == "GET" else (declared, "OPTIONS")
