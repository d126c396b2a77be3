"""What every request passes before its route: its count and time, whose pages may ask, whose token it is, how many."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from aiohttp import web
from aiohttp.typedefs import Middleware

from streams.api.access import BORNE, Access, Scope, Token
from streams.api.problems import Handler, Problem
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

    No route for programs looks at cookies, so a page elsewhere can do only what its token may.
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


@dataclass(frozen=True)
class Gate:
    """Lets through who has a scope and asks no more than is allowed.

    Attributes:
        access: whose token is what.
        rates: how many requests of one caller.
    """

    access: Access
    rates: Rates

    def let_in(self, request: web.Request, scope: Scope, authorization: str | None) -> dict[str, str]:
        """What is to be said of the caller's rate. Raises Problem when the caller may not pass.

        Args:
            authorization: what the caller bears, as the header of that name says it.
        """
        refused: Problem | None = None
        token: Token | None = None
        try:
            token = self.access.who(authorization)
        except Problem as problem:
            refused = problem  # wrong tokens count, too
        told = _counted(request, self.rates, token)
        if refused is None:
            try:
                self.access.require(token, scope)
            except Problem as problem:
                refused = problem
        if refused is not None:
            raise Problem(refused.status, refused.detail, {**refused.headers, **told})
        if token is not None:
            request[BORNE] = token
        return told


GATE = web.AppKey("gate", Gate)


def guard(
    gate: Gate,
    scopes: Mapping[web.AbstractRoute, Scope],
    authorization: Callable[[web.Request], str | None],
    told: Callable[[Problem, web.Request], web.Response],
) -> Middleware:
    """Lets requests pass the gate.

    Args:
        scopes: route → its scope; what is not among them is for anybody, and is not counted.
        authorization: what a request bears.
        told: a problem as an answer.
    """

    @web.middleware
    async def guarding(request: web.Request, handler: Handler) -> web.StreamResponse:
        if (scope := scopes.get(request.match_info.route)) is None:
            return await handler(request)
        try:
            said = gate.let_in(request, scope, authorization(request))
        except Problem as problem:
            return told(problem, request)
        response = await handler(request)
        if not response.prepared:
            response.headers.update(said)
        return response

    return guarding


def _counted(request: web.Request, rates: Rates, token: Token | None) -> dict[str, str]:
    if not rates.quota:
        return {}
    left, reset_s = rates.take(f"token:{token.name}" if token else address(request.remote))
    told = {"RateLimit-Policy": rates.policy, "RateLimit": f'"default";r={max(0, left)};t={reset_s}'}
    if left < 0:
        detail = f"more than {rates.quota:,} requests within a minute; go on in {reset_s} s"
        raise Problem(429, detail, {**told, "Retry-After": str(reset_s)})
    return told
