"""A claim's page: its words, how score and risk came about, its flags, verdicts and forms; and who said what when."""

from __future__ import annotations

import secrets
from typing import Any

import msgspec
from aiohttp import web

from streams.api.access import caller
from streams.api.forms import RulingAsked
from streams.api.problems import Problem
from streams.api.reads import known, why, worded
from streams.api.service import Service
from streams.api.writes import rule
from streams.contract.words import RulingKind
from streams.ops.saying import told
from streams.pages import charts
from streams.pages.queue_page import with_decisions
from streams.pages.rendering import page
from streams.pages.sessions import signed_form

WAIT_S = 10.0
"""Seconds that a ruling is waited for until it counts."""
SHOWN = 30
"""Contributions that are drawn as bars."""
NETS_SHOWN = 6
TABLE_MAX = 200
"""Voices that the table beside the picture names."""


async def claim(service: Service, request: web.Request) -> web.Response:
    """A claim: its words, score and risk over time, flags with reasons, verdicts, and forms to rule and decide."""
    claim_id = request.match_info["id"]
    record = worded("claim", known(service, "claim", claim_id, service.store.claim))
    flags = service.store.flags_about(claim_id)
    flags.sort(key=lambda flag: (flag["action"] == "retract", -int(flag["detected_at_ms"])))
    moves = [move for flag in flags for move in service.store.flag(flag["flag_id"])]
    points = service.store.history(claim_id)
    roots = [flag["claim"] for flag in flags if flag.get("claim")]
    return page(
        service,
        request,
        "claim",
        claim=record,
        root=roots[0] if roots else {},
        flags=with_decisions(service, [worded("flag", flag) for flag in flags]),
        moves=sorted(moves, key=lambda move: int(move["detected_at_ms"])),
        points=points,
        history=charts.history(points, moves),
        raters=list(dict.fromkeys(rating["rater_id"] for rating in record.get("rulings") or ())),
        kinds=(RulingKind.MODERATION, RulingKind.FACT_CHECK),
        key=secrets.token_urlsafe(16),
    )


async def voices(service: Service, request: web.Request) -> web.Response:
    """Who said what of a claim and when, by side and by net, and what each adds to the score."""
    claim_id = request.match_info["id"]
    record = worded("claim", known(service, "claim", claim_id, service.store.claim))
    found = await why(service, record)
    said: list[dict[str, Any]] = found["voices"]
    nets: dict[str, list[dict[str, Any]]] = {}
    for voice in said:
        if name := charts.net_name(voice):
            nets.setdefault(name, []).append(voice)
    return page(
        service,
        request,
        "voices",
        claim=record,
        root=found["claim"],
        said=said,
        shown=said[:TABLE_MAX],
        sides=charts.SIDES,
        nets=sorted(nets.items(), key=lambda found: -len(found[1])),
        net_name=charts.net_name,
        nets_shown=NETS_SHOWN,
        picture=charts.voices(said),
        contributions=found["contributions"][:SHOWN],
        further=len(found["contributions"]) - SHOWN,
        score=found["score"],
        risk=found["risk"],
    )


async def ruling(service: Service, request: web.Request) -> web.Response:
    """Take in a ruling on a claim, or the answer to an appeal, and show what came of it."""
    claim_id = request.match_info["id"]
    fields = await signed_form(request)
    key = fields.pop("key", "")
    fields.pop("form_key", None)
    try:
        wanted = msgspec.convert(fields | {"claim_id": claim_id}, RulingAsked, strict=False)
    except msgspec.ValidationError as error:
        raise Problem(400, f"the form is not complete: {error}") from None
    said, outcome = await rule(service, wanted, caller(request), key, WAIT_S)
    return page(service, request, "ruled", ruled=told(said, outcome), claim_id=claim_id)
