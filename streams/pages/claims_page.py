"""Claims in a list: what is expected to grow most, or the riskiest; open or settled, flagged or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from streams.api import listing
from streams.api.query_parameters import CURSOR, FLAGGED, SORT, STATE, VALUES
from streams.api.reads import worded
from streams.api.service import Service
from streams.pages.rendering import page

EACH = 25
FILTERS = (replace(SORT, default="growth"), replace(STATE, default="open"), FLAGGED, CURSOR)
_COLUMNS = {
    "open": ("settled = ?", 0),
    "settled": ("settled = ?", 1),
    "yes": ("flagged = ?", 1),
    "no": ("flagged = ?", 0),
}


async def claims(service: Service, request: web.Request) -> web.Response:
    """Claims, those that are expected to grow most first, or the riskiest."""
    values = request[VALUES]
    filters = [_COLUMNS[values[name]] for name in ("state", "flagged") if values[name] in _COLUMNS]
    found = await service.lists.page(listing.CLAIMS[values["sort"]], filters, values["cursor"], EACH)
    following = urlencode(values | {"cursor": found.next_cursor}) if found.next_cursor else ""
    return page(
        service,
        request,
        "claims",
        claims=with_words(service, found.records),
        values=values,
        following=following,
    )


def with_words(service: Service, records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Claims' records as a person reads them, with the words of their roots (`root`) as far as a flag has told them."""
    found = []
    for record in records:
        told = [flag["claim"] for flag in service.store.flags_about(record["claim_id"]) if flag.get("claim")]
        found.append(worded("claim", record) | {"root": told[-1] if told else {}})
    return found
