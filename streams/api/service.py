"""What the query service answers, and when it says that it cannot."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

from aiohttp import web

from streams.api import asked
from streams.api.problems import Problem, json_answer
from streams.api.published import Reader
from streams.api.store import CursorError, Store
from streams.contract import metrics
from streams.contract.settings import Settings, client_kwargs
from streams.contract.topics import CLAIM_SCORES, COMMUNITIES, FLAGS, PROGRESS, SOURCE_SCORES
from streams.contract.wording import assessment, enough_evidence
from streams.engine.progress import ProgressBoard
from streams.ops.explanation import BusyError, Explainer

log = logging.getLogger(__name__)

Find = Callable[[str], dict[str, Any] | None]
COUNT_EVERY_S = 5.0
_FOLLOWED = (CLAIM_SCORES, SOURCE_SCORES, COMMUNITIES, FLAGS)


class Service:
    """Follows the output topics into a store, and answers from it.

    Args:
        settings: with the broker filled in.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.store = Store()
        self._reader = Reader(settings, _FOLLOWED)
        self._following: asyncio.Task[None] | None = None
        self.caught_up = False
        self._explainer = Explainer(settings)
        self._board = ProgressBoard(client_kwargs(settings), PROGRESS.name(settings))

    async def start(self) -> None:
        """Open the topics and begin to follow them. Raises TopicsError when they cannot be had."""
        await self._reader.__aenter__()
        metrics.API_BEHIND.at().set_function(self.behind_s)
        self._following = asyncio.create_task(self._follow(), name="follow the scores")
        # What was lost is told when it is known; scores are not held up by it.
        self._watching = asyncio.create_task(self._board.start(publish=False), name="follow what was lost")

    async def stop(self) -> None:
        """Stop following."""
        if self._following is not None:
            self._following.cancel()
            self._watching.cancel()
            await asyncio.gather(self._following, self._watching, return_exceptions=True)
            await self._board.stop()
        await self._reader.__aexit__()
        self.store.close()

    async def failed(self) -> BaseException:
        """Wait until following ends, which it must not do by itself; returns why."""
        assert self._following is not None
        await asyncio.wait([self._following])
        return self._following.exception() or RuntimeError("the scores are no longer followed")

    async def _follow(self) -> None:
        counted, told = 0.0, ""
        async for entries in self._reader.on():
            if entries:
                self.store.apply(entries)
            if self._reader.fresh_at is not None:
                self.caught_up = True
            told = self._tell(told)
            if time.monotonic() - counted > COUNT_EVERY_S:
                counted = time.monotonic()
                for kind, number in self.store.counts().items():
                    metrics.API_RECORDS.at(kind).set(number)
            # Requests are answered between batches, also during the first reading.
            await asyncio.sleep(0)

    def _tell(self, told: str) -> str:
        """Log when readiness comes or goes; returns what was said last."""
        reason = self.not_ready()
        state = "ready" if reason is None else "stale" if self.caught_up else "reading"
        if state != told and state != "reading":
            log.info("ready%s", " again" if told == "stale" else "") if reason is None else log.warning("%s", reason)
        return state

    def behind_s(self) -> float:
        """Seconds since the store held all that Kafka held; infinite before the first time."""
        fresh_at = self._reader.fresh_at
        return float("inf") if fresh_at is None else time.monotonic() - fresh_at

    def not_ready(self) -> str | None:
        """Why the answers may be missing or old; None when they are not."""
        if self._following is None or self._following.done():
            return "the scores are not followed"
        if not self.caught_up:
            return "the scores are still being read from the beginning"
        if (behind := self.behind_s()) * 1000 > self._settings.api_staleness_ms:
            return f"the scores are {behind:.0f} s old: Kafka is away, or more comes than can be read"
        return None

    # --- handlers ------------------------------------------------------------------------------------------------

    async def claim(self, request: web.Request) -> web.Response:
        """The newest score of a claim."""
        return self._score("claim", request.match_info["id"], self.store.claim)

    async def explanation(self, request: web.Request) -> web.Response:
        """Why a claim has its score and risk: ranked reasons in words, whose weights add up."""
        claim_id = request.match_info["id"]
        # What has no score is not looked for in the state: unknown ids must cost nothing.
        version = self._known("claim", claim_id, self.store.claim).get("version", 0)
        try:
            found = await self._explainer.of(claim_id, version)
        except BusyError:
            raise Problem(503, "too many explanations are being made; ask again soon", {"Retry-After": "5"}) from None
        if found is None:
            raise Problem(404, f"the claims stage holds no claim {claim_id!r}")
        return json_answer(found)

    async def claims(self, request: web.Request) -> web.Response:
        """The newest scores of many claims: `{"ids": […]}` (1,000) → `{"claims": […], "unknown": […]}`."""
        return await self._scores("claim", request, self.store.claim)

    async def sources(self, request: web.Request) -> web.Response:
        """The newest credibility of many sources: `{"ids": […]}` (1,000) → `{"sources": […], "unknown": […]}`."""
        return await self._scores("source", request, self.store.source)

    async def source(self, request: web.Request) -> web.Response:
        """The newest credibility of a source."""
        return self._score("source", request.match_info["id"], self.store.source)

    async def community(self, request: web.Request) -> web.Response:
        """The newest vital signs of a community."""
        return self._score("community", request.match_info["id"], self.store.community)

    def _score(self, subject: str, id_: str, find: Find) -> web.Response:
        return json_answer(_worded(subject, self._known(subject, id_, find)))

    async def _scores(self, subject: str, request: web.Request, find: Find) -> web.Response:
        """Each asked id once, in the order asked: found, or among the unknown."""
        ids = await asked.ids(request)
        records = {id_: find(id_) for id_ in ids}
        unknown = [id_ for id_, record in records.items() if record is None]
        if unknown:
            self._must_know_all()
        found = [_worded(subject, record) for record in records.values() if record is not None]
        return json_answer({f"{subject}s": found, "unknown": unknown})

    def _known(self, subject: str, id_: str, find: Find) -> dict[str, Any]:
        record = find(id_)
        if record is None:
            self._must_know_all()
            raise Problem(404, f"no {subject} {id_!r} is known")
        return record

    def _must_know_all(self) -> None:
        """Before something is called unknown: it may be among what has not been read yet."""
        if not self.caught_up:
            raise Problem(503, "the scores are still being read; ask again soon", {"Retry-After": "1"})

    async def flags(self, request: web.Request) -> web.Response:
        """Flags that stand, the most pressing first: `?min_priority=`, `limit=` (1,000), `cursor=` of the last page."""
        least, cursor, limit = asked.page(request)
        try:
            page, following = self.store.open_flags(least, cursor, limit)
        except CursorError as error:
            raise Problem(400, str(error)) from None
        return json_answer({"flags": page, "next_cursor": following})

    async def healthz(self, _: web.Request) -> web.Response:
        """Whether this process works; a supervisor restarts one that does not."""
        if self._following is not None and self._following.done():
            raise Problem(503, "the scores are no longer followed")
        return json_answer({"status": "ok"})

    async def readyz(self, _: web.Request) -> web.Response:
        """Whether the answers are there and fresh, else 503; "incomplete" where input was lost before it was read."""
        if (reason := self.not_ready()) is not None:
            raise Problem(503, reason, {"Retry-After": "1"})
        lost = [f"{cut} were deleted before they were read" for cut in self._board.cuts()]
        status = {"status": "incomplete", "detail": "; ".join(lost)} if lost else {"status": "ready"}
        return json_answer({**status, "behind_s": round(self.behind_s(), 3), **self.store.counts()})

    async def metrics(self, _: web.Request) -> web.Response:
        """The metrics of this process."""
        return web.Response(
            body=metrics.exposition(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        )


def _worded(subject: str, record: dict[str, Any]) -> dict[str, Any]:
    """The record as a person reads it, too."""
    record["enough_evidence"] = enough_evidence(subject, record)
    record["assessment"] = assessment(subject, record)
    return record
