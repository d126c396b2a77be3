"""Every request that is answered, once: method, path, name, who may ask, and what answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from aiohttp import web

from streams.api import asked, openapi
from streams.api.access import Access, Scope
from streams.api.gate import cross_origin, guard, measured
from streams.api.problems import Handler, json_answer, problems
from streams.api.rates import Rates
from streams.api.service import Service
from streams.contract.settings import Settings


class Route(NamedTuple):
    """A request that is answered.

    Attributes:
        method: GET (then also HEAD) or another; OPTIONS is answered everywhere.
        path: with `{id}` for what varies.
        name: in metrics, and of the operation in the OpenAPI document.
        answer: is given the service and the request; the first line of its docstring documents the route.
        scope: that a token must have; None: for anybody, and not counted.
    """

    method: str
    path: str
    name: str
    answer: Callable[[Service, web.Request], Awaitable[web.StreamResponse]]
    scope: Scope | None = None

    @property
    def sentence(self) -> str:
        """What it answers, in words."""
        return (self.answer.__doc__ or "").splitlines()[0]


async def openapi_document(_: Service, __: web.Request) -> web.Response:
    """This list, for programs: an OpenAPI 3.1 document."""
    return json_answer(openapi.document(documented()))


ROUTES: tuple[Route, ...] = (
    Route("GET", "/v1/claims/{id}", "claims", Service.claim, Scope.READ),
    Route("GET", "/v1/claims/{id}/explanation", "explanations", Service.explanation, Scope.READ),
    Route("POST", "/v1/claims:batchGet", "claims-batch", Service.claims, Scope.READ),
    Route("GET", "/v1/sources/{id}", "sources", Service.source, Scope.READ),
    Route("POST", "/v1/sources:batchGet", "sources-batch", Service.sources, Scope.READ),
    Route("GET", "/v1/communities/{id}", "communities", Service.community, Scope.READ),
    Route("GET", "/v1/flags", "flags", Service.flags, Scope.READ),
    Route("GET", "/healthz", "healthz", Service.healthz),
    Route("GET", "/readyz", "readyz", Service.readyz),
    Route("GET", "/metrics", "metrics", Service.metrics),
    Route("GET", "/openapi.json", "openapi", openapi_document),
)


def documented() -> list[tuple[str, str, str, str, Scope | None]]:
    """Method, path, name, sentence and scope of every route."""
    return [(route.method, route.path, route.name, route.sentence, route.scope) for route in ROUTES]


def methods(declared: str) -> tuple[str, ...]:
    """What a route with this declared method answers: with GET also HEAD, and always OPTIONS, which comes last."""
    return ("GET", "HEAD", "OPTIONS") if declared == "GET" else (declared, "OPTIONS")


def application(service: Service, settings: Settings) -> web.Application:
    """The aiohttp application that answers for a service; it does not start or stop the service.

    Raises SettingsError when the file of tokens cannot be used.
    """
    names: dict[web.AbstractRoute, str] = {}
    scopes: dict[web.AbstractRoute, Scope] = {}
    guarding = guard(Access(settings.api_tokens_file), Rates(settings.api_rate_per_minute), scopes)
    crossing = [cross_origin(settings.api_cors_origins)] if settings.api_cors_origins else []
    app = web.Application(middlewares=[measured(names), *crossing, guarding, problems], client_max_size=asked.BODY_MAX)
    for path in dict.fromkeys(route.path for route in ROUTES):
        resource = app.router.add_resource(path)
        here = [route for route in ROUTES if route.path == path]
        for route in here:
            for method in methods(route.method)[:-1]:
                added = resource.add_route(method, _bound(route, service))
                names[added] = route.name
                if route.scope is not None:
                    scopes[added] = route.scope
        # For anybody: browsers ask this before they send a token.
        names[resource.add_route("OPTIONS", _allowed(here))] = here[0].name
    return app


def _bound(route: Route, service: Service) -> Handler:
    async def answering(request: web.Request) -> web.StreamResponse:
        return await route.answer(service, request)

    return answering


def _allowed(here: list[Route]) -> Handler:
    allowed = dict.fromkeys(method for route in here for method in methods(route.method)[:-1])

    async def options(_: web.Request) -> web.Response:
        return web.Response(status=204, headers={"Allow": ", ".join([*allowed, "OPTIONS"])})

    return options
