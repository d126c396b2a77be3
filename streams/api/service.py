"""The query service: follows what the stages publish into a store, and knows how old its answers are."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from contextlib import suppress
from typing import Any

from streams.api.freshness import Freshness
from streams.api.kept_copy import KeptCopy
from streams.api.listing import Lists
from streams.api.problems import Problem
from streams.api.published import Reader
from streams.api.store import Store
from streams.contract import metrics
from streams.contract.settings import Settings
from streams.contract.topics import CLAIM_SCORES, COMMUNITIES, DECISIONS, FLAGS, SOURCE_SCORES, Topic
from streams.kafka.admin import TopicsError
from streams.kafka.topic_ids import TopicIds
from streams.ops.decision_writer import DecisionWriter
from streams.ops.explanation import Explainer
from streams.ops.ruling_writer import RulingWriter
from streams.ops.switches import Switches

log = logging.getLogger(__name__)

COUNT_EVERY_S = 5.0
SAVE_EVERY_S = 60.0
"""Seconds after which a kept copy notes that it is up to date, also when nothing came."""
IDS_EVERY_S = 5.0
JUDGED_EVERY_S = 15.0
FOLLOWED = (CLAIM_SCORES, SOURCE_SCORES, COMMUNITIES, FLAGS, DECISIONS)


class Service:
    """Follows the output topics into a store, and says what the answers from it are worth.

    Args:
        settings: with the broker filled in.

    Raises SettingsError when the folder of the kept copy cannot be used.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._kept = KeptCopy(settings) if settings.data_dir else None
        self._store: Store | None = None
        self._lists: Lists | None = None
        self._reader = Reader(settings, FOLLOWED)
        self._tasks: list[asyncio.Task[None]] = []
        self._topic_ids: dict[str, str] = {}
        self.caught_up = False
        self.stopping = False
        self.feeds: set[object] = set()
        self.explainer, self.switches = Explainer(settings), Switches(settings)
        self.freshness = Freshness(settings)
        self.rulings, self.decisions = RulingWriter(settings, self), DecisionWriter(settings)
        self._heard = asyncio.Event()

    @property
    def store(self) -> Store:
        """The records; empty before the start."""
        if self._store is None:
            self._store = Store()
        return self._store

    @property
    def lists(self) -> Lists:
        """Lists of the records."""
        if self._lists is None:
            self._lists = Lists(self.store.path)
        return self._lists

    async def start(self) -> None:
        """Open the topics and begin to follow them. Raises TopicsError when they cannot be had."""
        await self._reader.__aenter__()
        async with TopicIds(self.settings) as ids:
            self._topic_ids = await ids.of(self._names())
        if self._kept is not None:
            self._store = self._kept.opened(self._topic_ids, await self._reader.bounds())
            await self._reader.place(self._store.places())
        metrics.API_BEHIND.at().set_function(self.behind_s)
        # How old the answers are is told when it is known; scores are not held up by it.
        self._tasks = [
            asyncio.create_task(self._follow(), name="follow the scores"),
            asyncio.create_task(self._same_topics(), name="see whether the topics are the same"),
            asyncio.create_task(self.freshness.watch(), name="see how far the stages are"),
            asyncio.create_task(self._judged(), name="count how often flags were right"),
        ]

    def topic_id(self, topic: Topic) -> str:
        """Short id of the incarnation that is followed; "" before the start."""
        return self._topic_ids.get(topic.name(self.settings), "")

    def _names(self) -> list[str]:
        return [topic.name(self.settings) for topic in FOLLOWED]

    async def stop(self) -> None:
        """Stop following."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.rulings.__aexit__()
        await self.decisions.__aexit__()
        await self._reader.__aexit__()
        if self._lists is not None:
            self._lists.close()
        if self._store is not None:
            self._store.close()
            if self._store.damaged and self._kept is not None:
                self._kept.remove()
        if self._kept is not None:
            self._kept.close()

    def claim(self, id_: str, /) -> dict[str, Any] | None:
        """The newest score record of a claim; None if there is none."""
        return self.store.claim(id_)

    async def news(self, timeout_s: float) -> None:
        """Wait until something new has been read, at most so long."""
        heard = self._heard
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await heard.wait()

    async def failed(self) -> BaseException:
        """Wait until following ends, which it must not do by itself; returns why."""
        done, _ = await asyncio.wait(self._tasks[:2], return_when=asyncio.FIRST_COMPLETED)
        return done.pop().exception() or RuntimeError("the scores are no longer followed")

    def following(self) -> bool:
        """Whether the scores are followed."""
        return bool(self._tasks) and not any(task.done() for task in self._tasks[:2])

    async def _follow(self) -> None:
        counted, saved, told = 0.0, time.monotonic(), ""
        async for entries in self._reader.on():
            if entries or time.monotonic() - saved > SAVE_EVERY_S:
                self.store.apply(entries, self._reader.places)
                saved = time.monotonic()
                self._heard.set()
                self._heard = asyncio.Event()
            if self.store.damaged:
                raise sqlite3.DatabaseError("the copy of the scores is damaged; the next start makes it anew")
            if self._reader.fresh_at is not None:
                self.caught_up = True
            told = self._tell(told)
            if time.monotonic() - counted > COUNT_EVERY_S:
                counted = time.monotonic()
                for kind, number in (await self.lists.counts()).items():
                    metrics.API_RECORDS.at(kind).set(number)
            # Requests are answered between batches, also during the first reading.
            await asyncio.sleep(0)

    async def _same_topics(self) -> None:
        """Raise TopicsError when the topics were made anew: offsets of the old logs mean nothing in the new ones."""
        async with TopicIds(self.settings) as ids:
            while True:
                await asyncio.sleep(IDS_EVERY_S)
                for name, topic_id in (await ids.of(self._names())).items():
                    if topic_id != self._topic_ids.get(name, topic_id):
                        raise TopicsError(f"{name} was made anew: start this service again, and it reads the new one")

    async def _judged(self) -> None:
        """Let the metrics say how many flags were right, by rule."""
        while True:
            await asyncio.sleep(JUDGED_EVERY_S)
            for row in (await self.lists.precision())["by_rule"]:
                for by in ("verdicts", "decisions"):
                    for judged in ("right", "wrong"):
                        rule = row["rule"].partition("/")[0]
                        metrics.FLAGS_JUDGED.at(rule, by, judged).set(row[f"by_{by}"][judged])

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

    def lag_s(self) -> float | None:
        """How old answers are: seconds for which scores, or input, may have waited; None where that is not known."""
        lag_s = self.freshness.lag_s()
        return None if lag_s is None or not self.caught_up else max(lag_s, self.behind_s())

    def not_ready(self) -> str | None:
        """Why the answers may be missing or old; None when they are not."""
        if not self.following():
            return "the scores are not followed"
        if not self.caught_up:
            return "the scores are still being read from the beginning"
        if (behind := self.behind_s()) * 1000 > self.settings.api_staleness_ms:
            return f"the scores are {behind:.0f} s old: Kafka is away, or more comes than can be read"
        return None

    def must_know_all(self) -> None:
        """Before something is called unknown: raise Problem (503) while it may be among what has not been read yet."""
        if not self.caught_up:
            raise Problem(503, "the scores are still being read; ask again soon", {"Retry-After": "1"})

    def must_be_fresh(self, max_lag_ms: int | None) -> None:
        """Raise Problem (503) if answers are older than a caller allows; None allows any age."""
        if max_lag_ms is None:
            return
        lag_s = self.lag_s()
        if lag_s is None or lag_s * 1000 > max_lag_ms:
            age = "not known yet" if lag_s is None else f"{lag_s * 1000:,.0f} ms"
            raise Problem(
                503, f"the age of the answer is {age}, and at most {max_lag_ms:,} ms is wanted", {"Retry-After": "1"}
            )
