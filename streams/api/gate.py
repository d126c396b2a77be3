"""What every request passes before its route: its count and time, whose pages may ask, whose token it is, how many."""

from __future__ import annotations

import time
from collections.abc import Mapping

from aiohttp import web
from aiohttp.typedefs import Middleware

from streams.api.access import BORNE, Access, Scope, Token
from streams.api.problems import Handler, Problem, answer
from streams.api.rates import Rates, address
from streams.contract import metrics

_ASKABLE = "Authorization, Content-Type, Content-Encoding, If-None-Match, Last-Event-ID"
_READABLE = "ETag, Retry-After, RateLimit, RateLimit-Policy, WWW-Authenticate, Credence-Lag-Ms"
_PREFLIGHT_S = "600"


def measured(names: Mapping[web.AbstractRoute, str]) -> Middleware:
    """Counts requests by the names of their routes, and how long they took."""

    @web.middleware
    async def measuring(request: web.Request, handler: Handler) -> web.StreamResponse:
        began = time.perf_counter()
        response = await handler(request)
        name = names.get(request.match_info.route, metrics.OTHER)
        metrics.API_REQUESTS.at(name, f"{response.status // 100}xx").inc()
        metrics.API_SECONDS.at(name).observe(time.perf_counter() - began)
        return response

    return measuring


def cross_origin(origins: str) -> Middleware:
    """Lets pages of these origins ask (CORS), where a list with commas names any.

    Cookies play no part here, so a page can do only what its token may.
    """
    allowed = {origin.strip() for origin in origins.split(",")} - {""}

    @web.middleware
    async def crossing(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        origin = request.headers.get("Origin")
        if response.prepared or origin is None or not allowed & {origin, "*"}:
            return response
        response.headers["Access-Control-Allow-Origin"] = "*" if "*" in allowed else origin
        response.headers["Access-Control-Expose-Headers"] = _READABLE
        response.headers.add("Vary", "Origin")
        if request.method == "OPTIONS":
            response.headers["Access-Control-Allow-Methods"] = response.headers.get("Allow", "GET")
            response.headers["Access-Control-Allow-Headers"] = _ASKABLE
            response.headers["Access-Control-Max-Age"] = _PREFLIGHT_S
        return response

    return crossing


def guard(access: Access, rates: Rates, scopes: Mapping[web.AbstractRoute, Scope]) -> Middleware:
    """Lets through who has the scope of the route and asks no more than is allowed.

    Args:
        access: whose token is what.
        rates: how many requests of one caller.
        scopes: route → its scope; what is not among them is for anybody, and is not counted.
    """

    @web.middleware
    async def guarding(request: web.Request, handler: Handler) -> web.StreamResponse:
        if (scope := scopes.get(request.match_info.route)) is None:
            return await handler(request)
        try:
            told = _let_in(request, access, rates, scope)
        except Problem as problem:
            return answer(problem, request.rel_url.raw_path)
        response = await handler(request)
        if not response.prepared:
            response.headers.update(told)
        return response

    return guarding


def _let_in(request: web.Request, access: Access, rates: Rates, scope: Scope) -> dict[str, str]:
    """What is to be said of the caller's rate. Raises Problem when the caller may not pass."""
    refused: Problem | None = None
    token: Token | None = None
    try:
        token = access.who(request.headers.get("Authorization"))
    except Problem as problem:
        refused = problem  # wrong tokens count, too
    told = _counted(request, rates, token)
    if refused is None:
        try:
            access.require(token, scope)
        except Problem as problem:
            refused = problem
    if refused is not None:
        raise Problem(refused.status, refused.detail, {**refused.headers, **told})
    if token is not None:
        request[BORNE] = token
    return told


def _counted(request: web.Request, rates: Rates, token: Token | None) -> dict[str, str]:
    if not rates.quota:
        return {}
    left, reset_s = rates.take(f"token:{token.name}" if token else address(request.remote))
    told = {"RateLimit-Policy": rates.policy, "RateLimit": f'"default";r={max(0, left)};t={reset_s}'}
    if left < 0:
        detail = f"more than {rates.quota:,} requests within a minute; go on in {reset_s} s"
        raise Problem(429, detail, {**told, "Retry-After": str(reset_s)})
    return told
