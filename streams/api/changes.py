"""The change feed: every new record as a server-sent event, from where the caller stopped.

Each feed reads the topics itself, at the pace of its caller, so that a slow one holds up nobody and nothing is kept for
it here. The id of an event is the places up to which all has been sent, so any service of the installation can go on
from it, also after a restart. Within a batch only the last event has an id: who stops in between hears some again.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Mapping, Sequence

import orjson
from aiohttp import web
from aiohttp.client_exceptions import ClientConnectionResetError

from streams.api.connection import NAME
from streams.api.problems import Problem
from streams.api.published import Entry, Reader
from streams.api.query_parameters import VALUES
from streams.api.reads import worded
from streams.api.service import Service
from streams.contract.topics import CLAIM_SCORES, COMMUNITIES, FLAGS, SOURCE_SCORES, Topic
from streams.kafka.admin import TopicsError

log = logging.getLogger(__name__)

SUBJECTS: dict[str, tuple[str, Topic]] = {
    "claims": ("claim", CLAIM_SCORES),
    "sources": ("source", SOURCE_SCORES),
    "communities": ("community", COMMUNITIES),
    "flags": ("flag", FLAGS),
}
HEARTBEAT_S = 10.0
SLOW_S = 20.0
"""Seconds after which a caller who takes nothing is cut; what it has not taken it gets when it comes again."""
FEEDS_MAX = 64
RETRY_MS = 2_000
_SINGULAR = {topic.base: subject for subject, topic in SUBJECTS.values()}
_ID = re.compile(r"[a-z]+:[0-9a-f]{0,8}:[0-9]+(\.[0-9]+)*(;[a-z]+:[0-9a-f]{0,8}:[0-9]+(\.[0-9]+)*)*")
_HEADERS = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # for proxies that would wait for more
    "Server": NAME,
}


class Gone(Exception):
    """The caller has hung up, or was cut."""


async def changes(service: Service, request: web.Request) -> web.StreamResponse:
    """New claims, flags and so on as server-sent events, resumed by `Last-Event-ID`; deleted ones have no record."""
    subjects: Sequence[str] = request[VALUES]["subjects"] or ("claims", "flags")
    if request.method == "HEAD":
        return web.Response(headers=_HEADERS)
    if len(service.feeds) >= FEEDS_MAX:
        raise Problem(503, f"{FEEDS_MAX} feeds are open already", {"Retry-After": "30"})
    feed = Feed(service, request, subjects)
    service.feeds.add(feed)
    try:
        return await feed.run()
    except TopicsError as error:
        raise Problem(503, str(error), {"Retry-After": "5"}) from None
    finally:
        service.feeds.discard(feed)


class Feed:
    """One caller's feed.

    Args:
        service: whose topics are read.
        request: whose caller is told.
        subjects: of SUBJECTS.
    """

    def __init__(self, service: Service, request: web.Request, subjects: Sequence[str]) -> None:
        self._service, self._request, self._subjects = service, request, subjects
        self._response = web.StreamResponse(headers=_HEADERS)
        self._told_at = 0.0

    async def run(self) -> web.StreamResponse:
        """Tell until the caller has gone or the service stops."""
        async with Reader(self._service.settings, [SUBJECTS[subject][1] for subject in self._subjects]) as reader:
            await reader.place(await self._places(reader))
            await self._response.prepare(self._request)
            try:
                # The first event has an id, so that who is cut off before any other goes on from here, too.
                await self._tell(f"retry: {RETRY_MS}\n{_event('begin', self._id(reader.places))}".encode())
                async for entries in reader.on():
                    await self._tell_all(entries, reader.places)
                    if self._service.stopping:
                        await self._tell(_event("end").encode())
                        break
            except Gone as why:
                if str(why):
                    log.warning("a change feed was cut: %s", why)
        return self._response

    async def _places(self, reader: Reader) -> dict[tuple[str, int], int]:
        last = self._request.headers.get("Last-Event-ID") or self._request[VALUES]["last_event_id"]
        if last:
            return self._read_id(last, reader.places)
        if self._request[VALUES]["start"] == "beginning":
            return {}
        return {tp: end for tp, (_, end) in (await reader.bounds()).items()}

    async def _tell_all(self, entries: Sequence[Entry], places: Mapping[tuple[str, int], int]) -> None:
        if entries:
            last = len(entries) - 1
            said = [_told(entry, self._id(places) if i == last else "") for i, entry in enumerate(entries)]
            await self._tell(b"".join(said))
        elif time.monotonic() - self._told_at > HEARTBEAT_S:
            lag_s = self._service.lag_s()
            await self._tell(f": lag_ms {'unknown' if lag_s is None else round(lag_s * 1000)}\n\n".encode())
        elif self._request.transport is None or self._request.transport.is_closing():
            raise Gone

    async def _tell(self, data: bytes) -> None:
        try:
            async with asyncio.timeout(SLOW_S):
                await self._response.write(data)
        except TimeoutError:
            if self._request.transport is not None:
                self._request.transport.abort()  # to close would wait for what is not taken
            raise Gone(f"its caller took nothing for {SLOW_S:.0f} s; with its last event's id it goes on") from None
        except (ClientConnectionResetError, ConnectionError):
            raise Gone from None
        self._told_at = time.monotonic()

    def _id(self, places: Mapping[tuple[str, int], int]) -> str:
        """Places as an event's id: each subject, its topic's id, and the offset of each partition."""
        return ";".join(
            f"{subject}:{self._service.topic_id(SUBJECTS[subject][1])}:"
            + ".".join(str(at) for (topic, _), at in sorted(places.items()) if topic == SUBJECTS[subject][1].base)
            for subject in self._subjects
        )

    def _read_id(self, text: str, known: Mapping[tuple[str, int], int]) -> dict[tuple[str, int], int]:
        """Places of an event's id. Raises Problem: 400 on one of another feed, 410 on one of topics that are gone."""
        parts = [part.split(":") for part in text.split(";")] if _ID.fullmatch(text) else []
        if [part[0] for part in parts] != list(self._subjects):
            raise Problem(400, f"the last event's id is none of a feed of {','.join(self._subjects)}")
        found: dict[tuple[str, int], int] = {}
        for subject, topic_id, offsets in parts:
            topic = SUBJECTS[subject][1]
            ats = [int(offset) for offset in offsets.split(".")]
            if topic_id != self._service.topic_id(topic) or len(ats) != sum(base == topic.base for base, _ in known):
                raise Problem(410, f"the topic of {subject} was made anew since: begin without a last event's id")
            found |= {(topic.base, p): at for p, at in enumerate(ats)}
        return found


def _event(name: str, id_: str = "", data: str = "{}") -> str:
    return f"event: {name}\n" + (f"id: {id_}\n" if id_ else "") + f"data: {data}\n\n"


def _told(entry: Entry, id_: str) -> bytes:
    """A record as an event; of a deleted key without a record."""
    subject = _SINGULAR[entry.topic.base]
    record = entry.record()
    value = {
        "subject": subject,
        "id": entry.key,
        "at": f"{entry.topic.base}/{entry.partition}/{entry.offset}",
        "record": None if record is None else _worded(subject, record),
    }
    return _event(subject, id_, orjson.dumps(value).decode()).encode()


def _worded(subject: str, record: dict[str, object]) -> dict[str, object] | None:
    try:
        return worded(subject, record)
    except (KeyError, TypeError, ValueError):  # no record of ours
        return None
