"""The communities' page: dissent, self-correction, insularity; shown, and never used to punish."""

from __future__ import annotations

from aiohttp import web

from streams.api import listing
from streams.api.query_parameters import CURSOR, VALUES
from streams.api.reads import worded
from streams.api.service import Service
from streams.pages.rendering import page

EACH = 50
PAGES = (CURSOR,)


async def communities(service: Service, request: web.Request) -> web.Response:
    """How communities fare: dissent, self-correction, insularity, and more."""
    found = await service.lists.page(listing.COMMUNITIES, [], request[VALUES]["cursor"], EACH)
    records = [worded("community", record) for record in found.records]
    return page(service, request, "communities", communities=records, cursor=found.next_cursor)
