"""The queue of flags, with filters that are its address, and where a person's decision on a flag comes in."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import msgspec
from aiohttp import web

from streams.api import listing
from streams.api.access import caller
from streams.api.forms import DecisionAsked
from streams.api.problems import Problem
from streams.api.query_parameters import COMMUNITY, CURSOR, FLAG_STATE, LANG, MIN_PRIORITY, RULE, VALUES, Parameter
from streams.api.service import Service
from streams.api.writes import decide
from streams.contract.words import FLAG_RULES
from streams.pages.rendering import page
from streams.pages.sessions import local, moved, signed_form

EACH = 25
DECIDED = Parameter("decided", "Whether somebody has decided on it.", "no", words=("no", "yes", "any"))
# A form sends every field, also an empty one.
_OPTIONAL = tuple(replace(each, pattern=rf"^$|{each.pattern}") for each in (RULE, LANG, COMMUNITY))
FILTERS = (FLAG_STATE, DECIDED, *_OPTIONAL, MIN_PRIORITY, CURSOR)
SEEN_S = 3.0
"""Seconds that a decision is waited for, so that the page that follows shows it."""
_HAS_DECISION = "? = EXISTS (SELECT 1 FROM decisions WHERE flag = id)"
UNDECIDED = (_HAS_DECISION, 0)


async def queue(service: Service, request: web.Request) -> web.Response:
    """Flags that stand, the most pressing first, or past ones; by rule, language and priority, decided or not."""
    values = request[VALUES]
    standing = {"standing": 1, "past": 0, "any": None}[values["state"]]
    filters: list[tuple[str, Any]] = [] if standing is None else [("standing = ?", standing)]
    if values["decided"] != "any":
        filters.append((_HAS_DECISION, int(values["decided"] == "yes")))
    if values["rule"]:
        filters.append(("? IN (rule, substr(rule, 1, instr(rule, '/') - 1))", values["rule"]))
    if values["lang"]:
        filters.append(("lang = ?", values["lang"]))
    if values["community"]:
        filters.append(("community = ?", values["community"]))
    if values["min_priority"]:
        filters.append(("priority >= ?", values["min_priority"]))
    order = listing.FLAGS_BY_PRIORITY if standing else listing.FLAGS_BY_TIME
    found = await service.lists.page(order, filters, values["cursor"], EACH)
    chosen = {name: value for name, value in values.items() if value not in (None, "", 0)}
    return page(
        service,
        request,
        "queue",
        flags=with_decisions(service, found.records),
        values=values,
        rules=FLAG_RULES,
        following=urlencode(chosen | {"cursor": found.next_cursor}) if found.next_cursor else "",
    )


def with_decisions(service: Service, flags: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Flags, each with what was decided on it last: `decided` is (decision, ms since 1970) or None."""
    decided = service.store.decided(flag["flag_id"] for flag in flags)
    return [flag | {"decided": decided.get(flag["flag_id"])} for flag in flags]


async def decision(service: Service, request: web.Request) -> web.Response:
    """Take in what a person decided on a flag, and go back to where that was."""
    fields = await signed_form(request)
    back, key = local(fields.pop("back", "/queue")), fields.pop("key", "")
    fields.pop("form_key", None)
    try:
        wanted = msgspec.convert(fields, DecisionAsked, strict=False)
    except msgspec.ValidationError as error:
        raise Problem(400, f"the form is not complete: {error}") from None
    record = await decide(service, wanted, caller(request), key)
    end = time.monotonic() + SEEN_S
    while (left := end - time.monotonic()) > 0:
        seen = service.store.decided([wanted.flag_id]).get(wanted.flag_id)
        if seen is not None and seen[1] >= record["decided_at_ms"]:
            break
        await service.news(left)
    return moved(back)
