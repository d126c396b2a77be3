"""Lists of claims, sources, communities and flags, with filters, a page at a time."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from streams.api import listing
from streams.api.query_parameters import VALUES
from streams.api.reads import worded
from streams.api.replies import reply
from streams.api.service import Service

Filters = list[tuple[str, Any]]
_YES_OR_NO = {"any": None, "no": 0, "yes": 1, "open": 0, "settled": 1, "past": 0, "standing": 1}


async def claims(service: Service, request: web.Request) -> web.Response:
    """Claims, riskiest first or by expected growth; open or settled, flagged, by language or community."""
    values = request[VALUES]
    filters: Filters = []
    for column, word in (("settled", values["state"]), ("flagged", values["flagged"])):
        if (wanted := _YES_OR_NO[word]) is not None:
            filters.append((f"{column} = ?", wanted))
    if values["lang"] is not None:
        filters.append(("id IN (SELECT subject FROM flags WHERE lang = ?)", values["lang"]))
    if values["community"] is not None:
        filters.append(("id IN (SELECT subject FROM flags WHERE community = ?)", values["community"]))
    return await _page(service, request, "claim", listing.CLAIMS[values["sort"]], filters)


async def sources(service: Service, request: web.Request) -> web.Response:
    """Sources, the busiest first."""
    return await _page(service, request, "source", listing.SOURCES, [])


async def communities(service: Service, request: web.Request) -> web.Response:
    """Communities with their vital signs, the largest first."""
    return await _page(service, request, "community", listing.COMMUNITIES, [])


async def flags(service: Service, request: web.Request) -> web.Response:
    """Flags that stand, the most pressing first; or past ones, the newest first; by rule, community, since a time."""
    values = request[VALUES]
    filters: Filters = [("priority >= ?", values["min_priority"])] if values["min_priority"] else []
    if (standing := _YES_OR_NO[values["state"]]) is not None:
        filters.append(("standing = ?", standing))
    if values["rule"] is not None:
        filters.append(("? IN (rule, substr(rule, 1, instr(rule, '/') - 1))", values["rule"]))
    if values["community"] is not None:
        filters.append(("community = ?", values["community"]))
    if values["since"] is not None:
        filters.append(("moved_ms >= ?", values["since"]))
    order = listing.FLAGS_BY_PRIORITY if standing else listing.FLAGS_BY_TIME
    return await _page(service, request, "flag", order, filters)


async def _page(
    service: Service, request: web.Request, subject: str, order: listing.Order, filters: Filters
) -> web.Response:
    values = request[VALUES]
    page = await service.lists.page(order, filters, values["cursor"], values["limit"])
    named = "communities" if subject == "community" else f"{subject}s"
    records = [worded(subject, record) for record in page.records]
    return reply(request, {named: records, "next_cursor": page.next_cursor}, service.lag_s())
