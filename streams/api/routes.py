"""Every request that is answered, once: method, path, name, who may ask, and what answers."""

from __future__ import annotations

from aiohttp import web

from streams.api import asked, callbacks, catalogue, changes, openapi, probes, reads, writes
from streams.api.access import Access, Scope
from streams.api.gate import GATE, Gate, cross_origin, guard, measured
from streams.api.problems import Handler, Problem, answer, json_answer, problems
from streams.api.query_parameters import (
    COMMUNITY,
    FLAG_STATE,
    FLAGGED,
    LANG,
    LAST_EVENT_ID,
    MAX_LAG,
    MIN_PRIORITY,
    PAGES,
    RULE,
    SINCE,
    SORT,
    START,
    STATE,
    SUBJECTS,
    VALUES,
    read,
)
from streams.api.rates import Rates
from streams.api.route import Route, Site, methods
from streams.api.service import Service
from streams.contract.settings import Settings


async def openapi_document(_: Service, __: web.Request) -> web.Response:
    """This list, for programs: an OpenAPI 3.1 document."""
    return json_answer(openapi.document(ROUTES))


_KNOWN = (MAX_LAG,)
_LISTED = (*PAGES, MAX_LAG)
_OF_CLAIMS = (SORT, STATE, FLAGGED, LANG, COMMUNITY, *_LISTED)
_OF_FLAGS = (FLAG_STATE, RULE, COMMUNITY, SINCE, MIN_PRIORITY, *_LISTED)
ROUTES: tuple[Route, ...] = (
    Route("GET", "/v1/claims", "claims-list", catalogue.claims, Scope.READ, _OF_CLAIMS),
    Route("GET", "/v1/claims/{id}", "claims", reads.claim, Scope.READ, _KNOWN),
    Route("GET", "/v1/claims/{id}/explanation", "explanations", reads.explanation, Scope.READ, _KNOWN),
    Route("GET", "/v1/claims/{id}/history", "history", reads.history, Scope.READ, _KNOWN),
    Route("POST", "/v1/claims:batchGet", "claims-batch", reads.claims, Scope.READ, _KNOWN),
    Route("GET", "/v1/sources", "sources-list", catalogue.sources, Scope.READ, _LISTED),
    Route("GET", "/v1/sources/{id}", "sources", reads.source, Scope.READ, _KNOWN),
    Route("POST", "/v1/sources:batchGet", "sources-batch", reads.sources, Scope.READ, _KNOWN),
    Route("GET", "/v1/communities", "communities-list", catalogue.communities, Scope.READ, _LISTED),
    Route("GET", "/v1/communities/{id}", "communities", reads.community, Scope.READ, _KNOWN),
    Route("GET", "/v1/flags", "flags", catalogue.flags, Scope.READ, _OF_FLAGS),
    Route("GET", "/v1/flags/precision", "precision", writes.precision, Scope.READ, _KNOWN),
    Route("GET", "/v1/flags/{id}", "flag", reads.flag, Scope.READ, _KNOWN),
    Route("GET", "/v1/changes", "changes", changes.changes, Scope.READ, (SUBJECTS, START, LAST_EVENT_ID)),
    Route("POST", "/v1/rulings", "rulings", writes.rulings, Scope.RULE, (writes.WAIT,)),
    Route("POST", "/v1/decisions", "decisions", writes.decisions, Scope.RULE),
    Route("POST", "/v1/callbacks/coop", "coop-callbacks", callbacks.coop),
    Route("GET", "/healthz", "healthz", probes.healthz),
    Route("GET", "/readyz", "readyz", probes.readyz),
    Route("GET", "/metrics", "metrics", probes.exposition),
    Route("GET", "/openapi.json", "openapi", openapi_document),
)


def application(service: Service, settings: Settings, site: Site | None = None) -> web.Application:
    """The aiohttp application that answers for a service; it does not start or stop the service.

    Args:
        site: pages to answer with, too.

    Raises SettingsError when the file of tokens, or that about Coop, cannot be used.
    """
    names: dict[web.AbstractRoute, str] = {}
    scopes: dict[web.AbstractRoute, Scope] = {}
    pages: set[web.AbstractRoute] = set()

    def told(problem: Problem, request: web.Request) -> web.Response:
        if site is not None and (request.match_info.route in pages or _mistyped(request)):
            return site.told(problem, request)
        return answer(problem, request.rel_url.raw_path)

    def authorization(request: web.Request) -> str | None:
        # Programs send a header. Only pages take a cookie, which a browser sends by itself.
        if site is not None and request.match_info.route in pages:
            return site.authorization(request)
        return request.headers.get("Authorization")

    gate = Gate(Access(settings.api_tokens_file), Rates(settings.api_rate_per_minute))
    crossing = [cross_origin(settings.api_cors_origins)] if settings.api_cors_origins else []
    passed = [measured(names), *crossing, guard(gate, scopes, authorization, told), problems(told)]
    app = web.Application(middlewares=passed, client_max_size=asked.BODY_MAX)
    app[GATE] = gate
    app[callbacks.CALLBACKS] = callbacks.Callbacks(service, settings)

    async def stopping(_: web.Application) -> None:
        service.stopping = True  # feeds end by themselves, and are not waited for in vain

    app.on_shutdown.append(stopping)
    of_pages = site.routes if site is not None else ()
    for path in dict.fromkeys(route.path for route in (*ROUTES, *of_pages)):
        resource = app.router.add_resource(path)
        here = [route for route in (*ROUTES, *of_pages) if route.path == path]
        for route in here:
            for method in methods(route.method)[:-1]:
                added = resource.add_route(method, _bound(route, service))
                names[added] = route.name
                if route in of_pages:
                    pages.add(added)
                if route.scope is not None:
                    scopes[added] = route.scope
        # For anybody: browsers ask this before they send a token.
        names[resource.add_route("OPTIONS", _allowed(here))] = here[0].name
    return app


def _mistyped(request: web.Request) -> bool:
    """Whether a person asks for what there is not: a browser says that it takes pages."""
    nothing = request.match_info.http_exception is not None
    return nothing and "text/html" in request.headers.get("Accept", "") and not request.path.startswith("/v1/")


def _bound(route: Route, service: Service) -> Handler:
    async def answering(request: web.Request) -> web.StreamResponse:
        if route.scope is not None:
            values = request[VALUES] = read(request, route.parameters)
            service.must_be_fresh(values.get(MAX_LAG.name))
        return await route.answer(service, request)

    return answering


def _allowed(here: list[Route]) -> Handler:
    allowed = dict.fromkeys(method for route in here for method in methods(route.method)[:-1])

    async def options(_: web.Request) -> web.Response:
        return web.Response(status=204, headers={"Allow": ", ".join([*allowed, "OPTIONS"])})

    return options
