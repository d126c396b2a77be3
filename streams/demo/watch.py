"""What comes out, as it comes: claim scores, source scores, flags and dead letters."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from aiokafka import TopicPartition

from streams.contract import topics
from streams.contract.settings import Settings, client_kwargs
from streams.contract.wording import sides
from streams.kafka.log_reader import FOLLOW_MS, LogReader

Record = Mapping[str, Any]
FOLLOWED = (topics.CLAIM_SCORES, topics.SOURCE_SCORES, topics.FLAGS, topics.DEAD_LETTERS)


@dataclass(frozen=True)
class Raised:
    """A flag as it was first raised.

    Attributes:
        claim_id: the claim.
        at_ms: event time.
        confidence: P(risk is over the threshold).
        reasons: codes of what spoke for it, strongest first.
        flag_id: of the flag.
    """

    claim_id: str
    at_ms: int
    confidence: float
    reasons: tuple[str, ...]
    flag_id: str


class Watch:
    """Follows the outputs of an installation.

    Attributes:
        claims, sources: newest record by id.
        raised: first raise of each claim's first flag, in order of arrival.
        standing: flag id → newest record of flags that are not retracted.
        refused: dead letters by code.
        records: score and flag records seen.
        history: for the ids given as `remember`, every score record in order.
    """

    def __init__(self, settings: Settings, remember: Iterable[str] = ()) -> None:
        self._settings = settings
        self._names = {topic.name(settings): topic for topic in FOLLOWED}
        self.claims: dict[str, Record] = {}
        self.sources: dict[str, Record] = {}
        self.raised: dict[str, Raised] = {}
        self.standing: dict[str, Record] = {}
        self.refused: Counter[str] = Counter()
        self.records = 0
        self.history: dict[str, list[Record]] = {i: [] for i in remember}
        self._revision: dict[str, int] = {}
        self._task: asyncio.Task[None] | None = None
        self._open = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Watch:
        self._logs = await self._open.enter_async_context(LogReader(client_kwargs(self._settings), FOLLOW_MS))
        self._parts = [TopicPartition(n, p) for n in self._names for p in range(self._settings.partitions)]
        await self._logs.place(dict.fromkeys(self._parts, 0))
        self._task = asyncio.create_task(self._follow())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self._open.aclose()

    async def caught_up(self) -> None:
        """Wait until everything that is on the topics now has been seen."""
        ends = await self._logs.ends(self._parts)
        while not await self._logs.reached(ends):
            await asyncio.sleep(0.02)
            if self._task is not None and self._task.done():
                self._task.result()

    async def _follow(self) -> None:
        while True:
            for record in await self._logs.fetch():
                # Keys that begin with a zero byte are the engine's own marks on compacted topics.
                if record.value and not (record.key or b"").startswith(b"\x00"):
                    self._take(self._names[record.topic], orjson.loads(record.value))
            await asyncio.sleep(0)

    def _take(self, topic: topics.Topic, record: dict[str, Any]) -> None:
        if topic is topics.DEAD_LETTERS:
            self.refused[record["code"]] += 1
            return
        self.records += 1
        if topic is topics.FLAGS:
            return self._take_flag(record)
        if topic is topics.CLAIM_SCORES:
            key = record["claim_id"]
            self.claims[key] = record
        else:
            key = record["source_id"]
            self.sources[key] = record
        if key in self.history:
            self.history[key].append(record)

    def _take_flag(self, record: dict[str, Any]) -> None:
        flag_id, revision = record["flag_id"], record["revision"]
        if self._revision.get(flag_id, 0) >= revision:
            return  # a repeat: flags are at least once
        self._revision[flag_id] = revision
        if record["action"] == "retract":
            self.standing.pop(flag_id, None)
            return
        self.standing[flag_id] = record
        claim_id = record["subject"]["id"]
        if record["action"] == "raise" and claim_id not in self.raised:
            reasons = tuple(str(reason["code"]) for reason in sides(record)[0])
            at = int(record["event_time_ms"])
            self.raised[claim_id] = Raised(claim_id, at, float(record["confidence"]), reasons, flag_id)
