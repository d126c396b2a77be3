"""Every page, once: its address, its name in metrics, who may see it, and what makes it."""

from __future__ import annotations

from aiohttp import web

from streams.api.access import Scope
from streams.api.problems import MEANINGS, Problem
from streams.api.query_parameters import Parameter
from streams.api.route import Route, Site
from streams.api.service import Service
from streams.pages import sessions
from streams.pages.assets import asset
from streams.pages.claim_page import claim, ruling, voices
from streams.pages.claims_page import FILTERS as CLAIM_FILTERS
from streams.pages.claims_page import claims
from streams.pages.communities_page import PAGES, communities
from streams.pages.front_page import find, front
from streams.pages.queue_page import FILTERS, decision, queue
from streams.pages.rendering import page
from streams.pages.source_page import source

ID = Parameter("id", "Of a claim, source or flag.", "", pattern=r"^.{0,400}$")


async def sign_in(service: Service, request: web.Request) -> web.Response:
    """Where a person signs in with a token."""
    return page(service, request, "sign_in", back=sessions.local(request.query.get("next", "/")), wrong="")


async def signing_in(service: Service, request: web.Request) -> web.Response:
    """Let a person in by a token."""
    fields = await sessions.form(request)
    back = sessions.local(fields.get("next", "/"))
    if not service.settings.api_tokens_file:
        return sessions.moved(back)
    try:
        return sessions.signed_in(request, fields.get("token", "").strip(), back)
    except Problem as problem:
        return page(service, request, "sign_in", problem.status, back=back, wrong=problem.detail)


async def sign_out(_: Service, request: web.Request) -> web.Response:
    """Forget who a person is."""
    await sessions.signed_form(request)
    return sessions.signed_out()


ROUTES = (
    Route("GET", "/", "page-front", front, Scope.READ),
    Route("GET", "/find", "page-find", find, Scope.READ, (ID,)),
    Route("GET", "/queue", "page-queue", queue, Scope.READ, FILTERS),
    Route("GET", "/communities", "page-communities", communities, Scope.READ, PAGES),
    Route("GET", "/claims", "page-claims", claims, Scope.READ, CLAIM_FILTERS),
    Route("GET", "/claims/{id}", "page-claim", claim, Scope.READ),
    Route("GET", "/claims/{id}/voices", "page-voices", voices, Scope.READ),
    Route("GET", "/sources/{id}", "page-source", source, Scope.READ),
    Route("POST", "/claims/{id}/ruling", "page-ruling", ruling, Scope.RULE),
    Route("POST", "/decision", "page-decision", decision, Scope.RULE),
    Route("GET", "/sign-in", "page-sign-in", sign_in),
    Route("POST", "/sign-in", "page-sign-in", signing_in),
    Route("POST", "/sign-out", "page-sign-in", sign_out),
    Route("GET", "/assets/{hash}/{name}", "page-assets", asset),
)


def site(service: Service) -> Site:
    """The pages of a query service."""

    def told(problem: Problem, request: web.Request) -> web.Response:
        if problem.status == 401 and sessions.came_from_elsewhere(request):
            return page(service, request, "again")
        if problem.status == 401:
            return sessions.sign_in_first(request)
        shown = {"problem": problem, "meaning": MEANINGS.get(problem.status, "")}
        response = page(service, request, "problem", problem.status, **shown)
        response.headers.update({name: value for name, value in problem.headers.items() if name == "Retry-After"})
        return response

    return Site(ROUTES, sessions.borne, told)
