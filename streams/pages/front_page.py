"""The front page: what to look at first, what rises, whether the pipeline is healthy, whether flags are still right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from aiohttp import web

from streams.api import listing
from streams.api.problems import Problem
from streams.api.query_parameters import VALUES
from streams.api.service import Service
from streams.ops.flag_precision import precision
from streams.pages import charts
from streams.pages.claims_page import with_words
from streams.pages.queue_page import UNDECIDED, with_decisions
from streams.pages.rendering import page
from streams.pages.sessions import moved

FIRST, RISING = 5, 8
JUDGED_ENOUGH = 10
"""Judged flags on both sides below which nothing is said of how precision moved."""


async def front(service: Service, request: web.Request) -> web.Response:
    """What rises now, what stands flagged, whether the pipeline is healthy and flags are still right."""
    waiting = [("standing = ?", 1), UNDECIDED]
    flags = await service.lists.page(listing.FLAGS_BY_PRIORITY, waiting, "", FIRST)
    grows = [("settled = ?", 0), ("growth >= ?", GROWS)]
    rising = await service.lists.page(listing.CLAIMS["growth"], grows, "", RISING)
    found, counts = await service.lists.precision(PRECISION_MAX_S), await service.lists.counts()
    rules = await service.switches.known()
    return page(
        service,
        request,
        "front",
        flags=with_decisions(service, flags.records),
        rising=with_words(service, rising.records),
        counts=counts,
        precision=found,
        trend=trend(found["by_week"]),
        by_week=charts.precision(found["by_week"]),
        lost=[str(cut) for cut in service.freshness.board.cuts()],
        rules=rules,
        wanted=max((rule["precision"] for rule in rules or () if not rule["shadow"]), default=None),
        standing=await service.lists.count(listing.FLAGS_BY_PRIORITY, waiting),
        enough=JUDGED_ENOUGH,
    )


PRECISION_MAX_S = 60.0
"""Seconds that the figures of precision may be old: the service counts them anew for its metrics anyway."""
GROWS = 0.5
"""Events expected within a day below which a claim is not called rising."""


async def find(service: Service, request: web.Request) -> web.Response:
    """On to the claim, source, community or flag of this id."""
    wanted = request[VALUES]["id"].strip()
    if service.store.claim(wanted) is not None:
        return moved(f"/claims/{quote(wanted, safe='')}")
    if service.store.source(wanted) is not None:
        return moved(f"/sources/{quote(wanted, safe='')}")
    if revisions := service.store.flag(wanted):
        return moved(f"/claims/{quote(revisions[-1]['subject']['id'], safe='')}")
    service.must_know_all()
    raise Problem(404, f"no claim, source or flag has the id {wanted!r}")


def trend(weeks: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Whether flags are right as often as before, by verdicts: the latest weeks against all before them.

    Returns:
        word: fallen, risen, steady, or unknown where too few are judged; and the figures `now` and `before`.
    """
    now, before = [0, 0], [0, 0]
    for week in reversed(weeks):
        of = week["by_verdicts"]
        counted = now if sum(now) < JUDGED_ENOUGH else before
        counted[0] += of["right"]
        counted[1] += of["wrong"]
    told = {"now": precision(*now), "before": precision(*before)}
    if sum(now) < JUDGED_ENOUGH or sum(before) < JUDGED_ENOUGH:
        return told | {"word": "unknown"}
    if told["now"]["high"] < told["before"]["precision"]:
        return told | {"word": "fallen"}
    return told | {"word": "risen" if told["now"]["low"] > told["before"]["precision"] else "steady"}
