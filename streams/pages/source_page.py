"""A source's page: its track record in gentle words, and never a verdict on a person."""

from __future__ import annotations

from aiohttp import web

from streams.api.reads import known, worded
from streams.api.service import Service
from streams.contract.wording import SETTLED_ENOUGH
from streams.pages.rendering import page


async def source(service: Service, request: web.Request) -> web.Response:
    """A source: its track record, its insight, and how sure that is."""
    record = worded("source", known(service, "source", request.match_info["id"], service.store.source))
    settled = int(record["right"]) + int(record["wrong"])
    return page(service, request, "source", source=record, settled=settled, needed=SETTLED_ENOUGH)
