"""Answers about what is named: claims, sources, communities and flags, one or many, and how and why they are so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiohttp import web

from streams.api import asked
from streams.api.problems import Problem
from streams.api.replies import reply
from streams.api.service import Service
from streams.contract.topics import CLAIM_SCORES, SOURCE_SCORES, Topic
from streams.contract.wording import assessment, enough_evidence, headline
from streams.ops.explanation import BusyError

Find = Callable[[str], dict[str, Any] | None]


async def claim(service: Service, request: web.Request) -> web.Response:
    """The newest score of a claim."""
    return _score(service, request, "claim", service.store.claim)


async def source(service: Service, request: web.Request) -> web.Response:
    """The newest credibility of a source."""
    return _score(service, request, "source", service.store.source)


async def community(service: Service, request: web.Request) -> web.Response:
    """The newest vital signs of a community."""
    return _score(service, request, "community", service.store.community)


async def claims(service: Service, request: web.Request) -> web.Response:
    """The newest scores of many claims: `{"ids": […]}` (1,000) → `{"claims": […], "unknown": […]}`."""
    return await _scores(service, request, "claim", CLAIM_SCORES)


async def sources(service: Service, request: web.Request) -> web.Response:
    """The newest credibility of many sources: `{"ids": […]}` (1,000) → `{"sources": […], "unknown": […]}`."""
    return await _scores(service, request, "source", SOURCE_SCORES)


async def explanation(service: Service, request: web.Request) -> web.Response:
    """Why a claim has its score and risk: ranked reasons in words, whose weights add up."""
    # What has no score is not looked for in the state: unknown ids must cost nothing.
    record = known(service, "claim", request.match_info["id"], service.store.claim)
    return reply(request, await why(service, record), service.lag_s())


async def why(service: Service, record: dict[str, Any]) -> dict[str, Any]:
    """The explanation of a claim's newest record. Raises Problem where none can be made now."""
    claim_id = record["claim_id"]
    try:
        found = await service.explainer.of(claim_id, record.get("version", 0))
    except BusyError:
        raise Problem(503, "too many explanations are being made; ask again soon", {"Retry-After": "5"}) from None
    if found is None:
        raise Problem(404, f"the claims stage holds no claim {claim_id!r}")
    if not enough_evidence("claim", record):
        found = found | {"score": found["score"] | {"value": None}}
    return found


async def history(service: Service, request: web.Request) -> web.Response:
    """How score and risk of a claim came about, the oldest first, and every revision of its flags."""
    claim_id = request.match_info["id"]
    known(service, "claim", claim_id, service.store.claim)
    flags = [
        {key: flag.get(key) for key in ("flag_id", "revision", "action", "priority", "risk", "detected_at_ms")}
        for about in service.store.flags_about(claim_id)
        for flag in service.store.flag(about["flag_id"])
    ]
    points = service.store.history(claim_id)
    return reply(request, {"claim_id": claim_id, "points": points, "flags": flags}, service.lag_s())


async def flag(service: Service, request: web.Request) -> web.Response:
    """A flag as it is now, and all its revisions, the oldest first."""
    flag_id = request.match_info["id"]
    revisions = service.store.flag(flag_id)
    if not revisions:
        service.must_know_all()
        raise Problem(404, f"no flag {flag_id!r} is known")
    revisions = [worded("flag", revision) for revision in revisions]
    return reply(request, revisions[-1] | {"revisions": revisions}, service.lag_s())


def _score(service: Service, request: web.Request, subject: str, find: Find) -> web.Response:
    record = known(service, subject, request.match_info["id"], find)
    return reply(request, worded(subject, record), service.lag_s())


async def _scores(service: Service, request: web.Request, subject: str, topic: Topic) -> web.Response:
    """Each asked id once, in the order asked: found, or among the unknown."""
    ids = dict.fromkeys(await asked.ids(request))
    records = service.store.many(topic, ids)
    unknown = [id_ for id_ in ids if id_ not in records]
    if unknown:
        service.must_know_all()
    found = [worded(subject, records[id_]) for id_ in ids if id_ in records]
    return reply(request, {f"{subject}s": found, "unknown": unknown}, service.lag_s())


def known(service: Service, subject: str, id_: str, find: Find) -> dict[str, Any]:
    """What is known of this id. Raises Problem where nothing is, or not yet."""
    record = find(id_)
    if record is None:
        service.must_know_all()
        raise Problem(404, f"no {subject} {id_!r} is known")
    return record


def worded(subject: str, record: dict[str, Any]) -> dict[str, Any]:
    """The record as a person reads it, too: on little evidence its figure is None, and never one half."""
    if subject == "flag":
        if record.get("enough_evidence") is False:
            record["score"] = None
        return record
    record["enough_evidence"] = enough_evidence(subject, record)
    record["assessment"] = assessment(subject, record)
    if not record["enough_evidence"]:
        record[headline(subject)] = None
    return record
