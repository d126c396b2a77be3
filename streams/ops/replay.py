"""Publishes a data set as if it happened now: events in the order of their arrival, verdicts when they are due.

After each verdict it waits for the credits before it goes on. So a replay at any speed learns what a live stream would
have learned by then. Publishing again is harmless, since the same rows make the same ids.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

import numpy as np
import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from streams.contract import topics
from streams.contract.settings import Settings, client_kwargs
from streams.contract.topics import partition_of
from streams.datasets.dataset import Dataset, Release
from streams.kafka.clients import started
from streams.kafka.log_reader import LogReader
from streams.ops.idle import INPUTS, Ends, StalledError, Standstill

BATCH_BYTES = 512 << 10
SLICE_ROWS = 4_000
PACE_S = 0.1
"""Seconds between the looks of a paced replay at what is due."""
HELD_S = 0.02
GROWN_MS = 1_000
"""Milliseconds within which new partitions of an input are published to."""


class PublishError(RuntimeError):
    """Kafka did not take what was published. The message says what, and that the replay may be repeated."""


@dataclass(frozen=True)
class ReplayStatus:
    """How far a replay is.

    Attributes:
        events, verdicts: published so far; `events_total`, `verdicts_total`: of the whole data set.
        event_ms: event time reached; 0 before the first event.
        waiting: whether it waits for a verdict's credits now; `waiting_for`: after a while, the stages that are behind,
            in words.
        waits: how often it has waited; `waited_s`: how long in all.
        seconds: since the start, wall time.
        dead_letters: at the end, code → number of records that were refused since the start.
    """

    events: int = 0
    events_total: int = 0
    verdicts: int = 0
    verdicts_total: int = 0
    event_ms: int = 0
    waiting: bool = False
    waiting_for: str = ""
    waits: int = 0
    waited_s: float = 0.0
    seconds: float = 0.0
    dead_letters: Mapping[str, int] = field(default_factory=dict)


class Publisher:
    """Publishes records in large batches, each to the partition of its key among the topic's present ones."""

    def __init__(self, producer: AIOKafkaProducer, topic: str) -> None:
        self._producer = producer
        self._topic = topic
        self._acks: list[Any] = []
        self.last: dict[tuple[str, int], int] = {}
        """Topic and partition → offset of the first record in the last batch there."""

    async def publish(self, records: Iterable[tuple[str, bytes]]) -> int:
        """Hand over (key, value) records, in order for each key. Returns how many. Call `acked` afterwards."""
        n = len(await self._producer.partitions_for(self._topic))
        open_: list[Any] = [None] * n
        now, count = int(time.time() * 1000), 0
        for key, value in records:
            count += 1
            p = partition_of(key, n)
            batch = open_[p]
            raw = key.encode()
            if batch is None or batch.append(timestamp=now, key=raw, value=value) is None:
                if batch is not None:
                    await self._send(batch, p)
                batch = open_[p] = self._producer.create_batch()
                if batch.append(timestamp=now, key=raw, value=value) is None:
                    raise PublishError(f"an event of {key} has {len(value):,} bytes, more than fit in a batch")
        for p, batch in enumerate(open_):
            if batch is not None:
                await self._send(batch, p)
        return count

    async def _send(self, batch: Any, partition: int) -> None:
        self._acks.append(await self._producer.send_batch(batch, self._topic, partition=partition))

    async def acked(self) -> None:
        """Wait until Kafka has everything. Raises PublishError if it does not take it."""
        acks, self._acks = self._acks, []
        try:
            for ack in acks:
                told = await ack
                self.last[told.topic, told.partition] = told.offset
        except KafkaError as error:
            raise PublishError(f"Kafka did not take records for {self._topic}: {error!r}; replay again") from error


class _Letters:
    """Dead letters about records that come onto the input topics after a moment.

    Args:
        settings: with the broker filled in.
        inputs: end offsets of the logs at that moment, as Standstill has them.
    """

    def __init__(self, settings: Settings, inputs: Ends) -> None:
        self._settings = settings
        self._name = topics.DEAD_LETTERS.name(settings)
        self._topics = {topic.name(settings) for topic in INPUTS.values()}
        self._inputs = {
            (topic.name(settings), p): end for stage, topic in INPUTS.items() for p, end in inputs[stage].items()
        }

    async def ends(self) -> list[int]:
        """Next offset of each partition of the dead letters."""
        async with LogReader(client_kwargs(self._settings)) as logs:
            return await self._ends(logs)

    async def _ends(self, logs: LogReader) -> list[int]:
        partitions = (await logs.partitions([self._name])).get(self._name, 0)
        return [end for _, end in await logs.bounds(self._name, partitions)]

    async def since(self, before: Sequence[int]) -> dict[str, int]:
        """Code → how many records were refused with it, by letters from these offsets on. Each record counts once."""
        codes: dict[tuple[str, int, int], str] = {}
        async with LogReader(client_kwargs(self._settings)) as logs:
            for partition, (first, end) in enumerate(zip(before, await self._ends(logs), strict=True)):
                async for record in logs.read(self._name, partition, first, end):
                    letter = orjson.loads(record.value)
                    topic, p, offset = letter["topic"], letter["partition"], letter["offset"]
                    if topic in self._topics and offset >= self._inputs.get((topic, p), 0):
                        codes[topic, p, offset] = letter["code"]
        return dict(Counter(codes.values()).most_common())


class Replay:
    """One replay of a data set.

    Args:
        settings: with the broker filled in.
        data: what to publish.
        lag_ms: a verdict is released this long after the claim's first event.
        speed: event time by wall time (60: an hour a minute); None: as fast as the stages learn.
        on_status: called with the new ReplayStatus, at most every few thousand events.
        stall_s: see Standstill.
        allowed: how many events may be published by now. Asked again until that is all.
    """

    def __init__(
        self,
        settings: Settings,
        data: Dataset,
        lag_ms: int,
        speed: float | None = None,
        on_status: Callable[[ReplayStatus], None] = lambda status: None,
        stall_s: float | None = None,
        allowed: Callable[[], int] | None = None,
    ) -> None:
        self._settings, self._data, self._speed, self._on_status = settings, data, speed, on_status
        self._allowed = allowed or (lambda: len(data))
        self._stall_s = settings.patience_ms / 1000 if stall_s is None else stall_s
        self._standstill = Standstill(settings, self._stall_s, lambda what: self._tell(waiting_for=what))
        self._publishers: tuple[Publisher, ...] = ()
        self._clock = data.clock_ms
        self._releases = data.releases(lag_ms)
        self._status = ReplayStatus(events_total=len(data), verdicts_total=len(self._releases))
        self._began = time.perf_counter()
        self._origin_ms = int(self._clock[0]) if len(data) else 0

    async def run(self) -> ReplayStatus:
        """Publish everything and wait until all of it is applied. Returns the last status.

        Raises:
            StalledError: a stage has work and does none of it, or a transaction of another producer stays open.
            PublishError: Kafka does not take what is published.
        """
        self._began = time.perf_counter()
        settings = self._settings
        options = {"enable_idempotence": True, "max_batch_size": BATCH_BYTES, "max_request_size": 8 << 20}
        client = client_kwargs(settings) | {"metadata_max_age_ms": GROWN_MS}
        async with started(AIOKafkaProducer, client, **options) as producer, self._standstill:
            letters = _Letters(settings, await self._standstill.ends())
            before = await letters.ends()
            events = Publisher(producer, topics.EVENTS.name(settings))
            rulings = Publisher(producer, topics.RULINGS.name(settings))
            self._publishers = (events, rulings)
            row = 0
            for position, due in self._due():
                await self._events(events, row, position)
                await self._rulings(rulings, due)
                row = position
            await self._events(events, row, len(self._data))
            await self._wait()
            self._tell(dead_letters=await letters.since(before))
        return self._status

    def _due(self) -> list[tuple[int, list[Release]]]:
        """(Row, verdicts that come before it, also at equal times). Verdicts with no event between share a wait."""
        at = np.array([release.at_ms for release in self._releases], np.int64)
        rows = np.searchsorted(self._clock, at, side="left").tolist()
        pairs = zip(rows, self._releases, strict=True)
        return [(row, [release for _, release in group]) for row, group in groupby(pairs, key=lambda pair: pair[0])]

    async def _events(self, publisher: Publisher, start: int, end: int) -> None:
        while start < end:
            stop = min(end, start + SLICE_ROWS)
            if self._speed is not None:
                stop = min(stop, await self._pace(start))
            while (allowed := self._allowed()) <= start:
                await asyncio.sleep(HELD_S)
            stop = min(stop, allowed)
            await publisher.publish(self._data.records(start, stop))
            start = stop
            self._tell(events=stop, event_ms=int(self._clock[stop - 1]))
        await publisher.acked()

    async def _pace(self, start: int) -> int:
        """Sleep until the row is due. Returns the first row that is not due then."""
        assert self._speed is not None
        while True:
            reached = self._origin_ms + (time.perf_counter() - self._began) * 1000 * self._speed
            upto = int(np.searchsorted(self._clock, reached, side="right"))
            if upto > start:
                return upto
            ahead_s = (int(self._clock[start]) - reached) / 1000 / self._speed
            await asyncio.sleep(min(max(ahead_s, 0.001), PACE_S))
            self._tell()

    async def _rulings(self, publisher: Publisher, due: list[Release]) -> None:
        await self._pace_release(due[-1].at_ms)
        await publisher.publish((release.claim_id, release.record()) for release in due)
        await publisher.acked()
        self._tell(verdicts=self._status.verdicts + len(due))
        await self._wait()

    async def _pace_release(self, at_ms: int) -> None:
        """Sleep until verdicts are due; not after the last event, for nobody would wait a day."""
        if self._speed is not None and self._status.events < len(self._data):
            reached = self._origin_ms + (time.perf_counter() - self._began) * 1000 * self._speed
            await asyncio.sleep(max(0.0, (at_ms - reached) / 1000 / self._speed))

    async def _wait(self) -> None:
        began = time.perf_counter()
        self._tell(waiting=True)
        await self._readable()
        await self._standstill.wait()
        status = self._status
        self._tell(
            waiting=False,
            waiting_for="",
            waits=status.waits + 1,
            waited_s=status.waited_s + time.perf_counter() - began,
        )

    async def _readable(self) -> None:
        """Wait while another producer's open transaction hides what was published from readers."""
        last = {tp: offset for publisher in self._publishers for tp, offset in publisher.last.items()}
        until = time.monotonic() + self._stall_s
        while held := [tp for tp, end in (await self._standstill.board.ends(last)).items() if end <= last[tp]]:
            topic, partition = held[0]
            self._tell(waiting_for=f"another producer's transaction on {topic}/{partition}")
            if time.monotonic() > until:
                raise StalledError(
                    f"a producer has had a transaction open on {topic}/{partition} for {self._stall_s:.0f} s, and what"
                    " was published after its first record cannot be read; when it has ended, replay again"
                )
            await asyncio.sleep(HELD_S)

    def _tell(self, **changed: Any) -> None:
        self._status = replace(self._status, seconds=time.perf_counter() - self._began, **changed)
        self._on_status(self._status)
