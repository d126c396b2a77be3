"""Reads the output topics for a person or the query service: every partition, no group, up to the end and on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Self

import orjson
from aiokafka import ConsumerRecord, TopicPartition

from streams.contract.settings import Settings, client_kwargs
from streams.contract.topics import ALL, Topic, partition_of
from streams.kafka.admin import TopicsError
from streams.kafka.log_reader import LogReader
from streams.kafka.provision import internal_count

# Keys that begin so are marks of the engine: claims of ownership and fences.
MARK = b"\x00"
PROBE_S = 1.0
POLL_MS = 200
BATCH = 5_000


@dataclass(frozen=True, slots=True)
class Entry:
    """A record of one of our topics. `value` is None where its key was deleted."""

    topic: Topic
    partition: int
    offset: int
    append_ms: int
    key: str
    value: bytes | None

    def record(self) -> dict[str, Any] | None:
        """The value as a JSON object; None if it is not one."""
        try:
            found = orjson.loads(self.value or b"")
        except orjson.JSONDecodeError:
            return None
        return found if isinstance(found, dict) else None


class Reader:
    """Follows topics of an installation from their beginning or their end.

    Args:
        settings: with the broker filled in.
        followed: the topics.
        key: only the partitions that records of this key are on.
        newest: begin this many records before the end of each partition instead of at the beginning.

    `fresh_at` is the monotonic time at which all that Kafka held had been read; None before the first time. `places`
    is where reading goes on: (topic without namespace, partition) → offset.
    """

    def __init__(
        self, settings: Settings, followed: Sequence[Topic], *, key: str | None = None, newest: int | None = None
    ) -> None:
        self._settings = settings
        self._topics = {topic.name(settings): topic for topic in followed}
        self._key = key
        self._newest = newest
        self._open = AsyncExitStack()
        self._partitions: list[TopicPartition] = []
        self._probed: tuple[float, dict[TopicPartition, int]] | None = None
        self.fresh_at: float | None = None
        self.places: dict[tuple[str, int], int] = {}

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as opening:
            self._logs = await opening.enter_async_context(LogReader(client_kwargs(self._settings), POLL_MS))
            self._partitions = await self._wanted()
            await self._probe()
            ends = self._probed[1] if self._probed is not None else {}
            newest = self._newest
            begin = {tp: 0 if newest is None else max(0, end - newest) for tp, end in ends.items()}
            await self.place({self._short(tp): at for tp, at in begin.items()})
            self._open = opening.pop_all()
        return self

    async def place(self, places: Mapping[tuple[str, int], int]) -> None:
        """Read on from these places; partitions without one are read from their beginning."""
        self.places = {self._short(tp): places.get(self._short(tp), 0) for tp in self._partitions}
        await self._logs.place({tp: self.places[self._short(tp)] for tp in self._partitions})

    async def bounds(self) -> dict[tuple[str, int], tuple[int, int]]:
        """(Topic without namespace, partition) → the first offset that is left, and the end."""
        first, end = await self._logs.starts(self._partitions), await self._logs.ends(self._partitions)
        return {self._short(tp): (first[tp], end[tp]) for tp in self._partitions}

    def _short(self, tp: TopicPartition) -> tuple[str, int]:
        return self._topics[tp.topic].base, tp.partition

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    async def _wanted(self) -> list[TopicPartition]:
        """The partitions to read."""
        there = await self._logs.partitions(topic.name(self._settings) for topic in ALL)
        if missing := [name for name in self._topics if name not in there]:
            raise TopicsError(
                f"{', '.join(missing)} not there: run `credence topics create`, or check CREDENCE_NAMESPACE"
            )
        only = None if self._key is None else partition_of(self._key, internal_count(there, self._settings))
        return [TopicPartition(name, p) for name in self._topics for p in range(there[name]) if only in (None, p)]

    async def _probe(self) -> None:
        self._probed = (time.monotonic(), await self._logs.ends(self._partitions))

    async def _reached(self) -> bool:
        """Whether everything that the last probe saw has been read."""
        assert self._probed is not None
        at, ends = self._probed
        if not await self._logs.reached(ends):
            return False
        self.fresh_at = at
        return True

    async def to_end(self) -> AsyncIterator[list[Entry]]:
        """All that is there now, in batches; ends when the ends of the moment of opening are reached."""
        while not await self._reached():
            yield await self._fetch()

    async def on(self) -> AsyncIterator[list[Entry]]:
        """All that is there and all that comes, in batches, some of them empty; without end.

        While Kafka is away it waits and goes on when Kafka is back; `fresh_at` tells.
        """
        probing: asyncio.Task[None] | None = None
        try:
            while True:
                yield await self._fetch()
                await self._reached()
                if probing is not None and probing.done():
                    # An error is an answer too: Kafka is away, and `fresh_at` stays where it is.
                    probing.exception()
                    probing = None
                if probing is None and self._probed is not None and time.monotonic() - self._probed[0] > PROBE_S:
                    probing = asyncio.create_task(self._probe())
        finally:
            if probing is not None:
                probing.cancel()

    async def _fetch(self) -> list[Entry]:
        found = []
        for record in await self._logs.fetch(POLL_MS, BATCH):
            topic = self._topics[record.topic]
            self.places[topic.base, record.partition] = record.offset + 1
            if (entry := self._entry(topic, record)) is not None:
                found.append(entry)
        return found

    def _entry(self, topic: Topic, record: ConsumerRecord[bytes, bytes]) -> Entry | None:
        key = record.key or b""
        if key.startswith(MARK):
            return None
        try:
            return Entry(topic, record.partition, record.offset, record.timestamp, key.decode(), record.value)
        except UnicodeDecodeError:
            return None
