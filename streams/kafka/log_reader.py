"""The one reader of logs. All but the worker's consumer group read through it: engine, commands, api and demo.

It reads as the worker does: every compression that Kafka knows, and committed records only. An end is therefore the
last stable offset; records after it may still be taken back.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from streams.kafka.admin import TopicsError, unreachable
from streams.kafka.clients import started

ISOLATION = "read_committed"
FOLLOW_MS = 500
AWAY_S = 40.0
"""Seconds that a broker may be away before that is an error: as long as aiokafka asks for offsets."""
Offsets = Mapping[TopicPartition, int]


class LogReader:
    """One connection of no consumer group, for any number of reads; use it as an async context manager.

    Args:
        client: keyword arguments for an aiokafka consumer.
        wait_ms: how long a fetch waits on the broker for new records. Reading up to an end needs no wait; whoever
            follows a topic passes FOLLOW_MS.

    Raises TopicsError on entering when Kafka cannot be reached.
    """

    def __init__(self, client: Mapping[str, Any], wait_ms: int = 5) -> None:
        self._client = dict(client)
        self._wait_ms = wait_ms

    async def __aenter__(self) -> Self:
        self._started = started(
            AIOKafkaConsumer,
            self._client,
            client_id="credence-reader",
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level=ISOLATION,
            max_partition_fetch_bytes=16 << 20,
            fetch_max_bytes=64 << 20,
            fetch_max_wait_ms=self._wait_ms,
        )
        self._consumer: AIOKafkaConsumer = await self._started.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._started.__aexit__(kind, error, trace)

    async def partitions(self, topics: Iterable[str]) -> dict[str, int]:
        """Partition counts of those of the topics that exist, asked of the broker now."""
        until = time.monotonic() + AWAY_S
        with self._answered():
            while True:
                try:
                    # Metadata of all topics: asking for one by name may create it.
                    there = await self._consumer._client.fetch_all_metadata()
                    break
                except KafkaError:  # aiokafka retries offsets, not metadata
                    if time.monotonic() > until:
                        raise
                    await asyncio.sleep(0.2)
        return {topic: len(found) for topic in topics if (found := there.partitions_for_topic(topic))}

    async def starts(self, tps: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """The first offset that is left of each partition."""
        with self._answered():
            return dict(await self._consumer.beginning_offsets(list(tps)))

    async def ends(self, tps: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """The offset up to which each partition can be read now."""
        with self._answered():
            return dict(await self._consumer.end_offsets(list(tps)))

    @contextmanager
    def _answered(self) -> Iterator[None]:
        try:
            yield
        except KafkaError as error:
            raise unreachable(",".join(self._client["bootstrap_servers"]), error) from error

    async def bounds(self, topic: str, partitions: int) -> list[tuple[int, int]]:
        """First and next offset of each partition of a topic."""
        tps = [TopicPartition(topic, p) for p in range(partitions)]
        first, end = await self.starts(tps), await self.ends(tps)
        return [(first[tp], end[tp]) for tp in tps]

    async def place(self, positions: Offsets) -> None:
        """Read these partitions from now on, each from its offset or the first that is left after it."""
        first = await self.starts(positions)
        self._consumer.assign(list(positions))
        for tp, position in positions.items():
            self._consumer.seek(tp, max(position, first[tp]))

    async def fetch(self, timeout_ms: int = FOLLOW_MS, most: int | None = None) -> list[ConsumerRecord]:
        """New records of the placed partitions, in order within each. Empty if none came within the wait."""
        fetched = await self._consumer.getmany(timeout_ms=timeout_ms, max_records=most)
        return [record for records in fetched.values() for record in records]

    async def reached(self, ends: Offsets) -> bool:
        """Whether everything before these offsets has been fetched."""
        for tp, end in ends.items():
            if await self._consumer.position(tp) < end:
                return False
        return True

    async def upto(self, ends: Offsets, most: int | None = None) -> AsyncIterator[list[ConsumerRecord]]:
        """Batches of what the placed partitions still hold before these offsets. Reading can go on from there."""
        beyond: set[TopicPartition] = set()
        while not await self.reached(ends):
            before = []
            for record in await self.fetch(most=most):
                tp = TopicPartition(record.topic, record.partition)
                if record.offset < ends[tp]:
                    before.append(record)
                else:
                    beyond.add(tp)
            yield before
        for tp in beyond:  # fetched along with the last ones, and still to be read
            self._consumer.seek(tp, ends[tp])

    async def whole(self, topic: str) -> AsyncIterator[list[ConsumerRecord]]:
        """Batches of all that the partitions of a topic hold now. Raises TopicsError if it is not there."""
        if (partitions := (await self.partitions([topic])).get(topic)) is None:
            raise TopicsError(f"there is no topic {topic}: run `credence topics create`")
        ends = await self.ends([TopicPartition(topic, p) for p in range(partitions)])
        await self.place(dict.fromkeys(ends, 0))
        async for records in self.upto(ends):
            yield records

    async def read(self, topic: str, partition: int, start: int, end: int) -> AsyncIterator[ConsumerRecord]:
        """Every record of a partition with start ≤ offset < end that is still there.

        Stops at `end` also when compaction has removed the records before it. One read at a time.
        """
        if start >= end:
            return
        tp = TopicPartition(topic, partition)
        await self.place({tp: start})
        async for records in self.upto({tp: end}):
            for record in records:
                yield record
