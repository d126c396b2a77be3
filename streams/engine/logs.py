"""Reading a stretch of a partition's log, in large fetches and outside any consumer group."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from types import TracebackType
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition


class LogReader:
    """One connection for many reads; use it as an async context manager.

    Args:
        client: keyword arguments for an aiokafka consumer.
    """

    def __init__(self, client: Mapping[str, Any]) -> None:
        self._client = dict(client)

    async def __aenter__(self) -> Self:
        # aiokafka binds a client to the loop that is running when it is made.
        self._consumer = AIOKafkaConsumer(
            **self._client,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=16 << 20,
            fetch_max_bytes=64 << 20,
            fetch_max_wait_ms=5,  # what is read is there already; waiting for more only delays the next partition
        )
        await self._consumer.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._consumer.stop()

    async def bounds(self, topic: str, partitions: int) -> list[tuple[int, int]]:
        """First and next offset of each partition of a topic."""
        tps = [TopicPartition(topic, p) for p in range(partitions)]
        first = await self._consumer.beginning_offsets(tps)
        end = await self._consumer.end_offsets(tps)
        return [(first[tp], end[tp]) for tp in tps]

    async def read(self, topic: str, partition: int, start: int, end: int) -> AsyncIterator[ConsumerRecord]:
        """Every record of a partition with start ≤ offset < end that is still there.

        Stops at `end` also when compaction has removed the records before it. One read at a time.
        """
        if start >= end:
            return
        tp = TopicPartition(topic, partition)
        self._consumer.assign([tp])
        beginning = (await self._consumer.beginning_offsets([tp]))[tp]
        self._consumer.seek(tp, max(start, beginning))
        while await self._consumer.position(tp) < end:
            for record in (await self._consumer.getmany(tp, timeout_ms=500)).get(tp, []):
                if record.offset >= end:
                    return
                yield record


async def read_partition(
    client: Mapping[str, Any], topic: str, partition: int, start: int, end: int
) -> AsyncIterator[ConsumerRecord]:
    """`LogReader.read` over a connection of its own."""
    async with LogReader(client) as logs:
        async for record in logs.read(topic, partition, start, end):
            yield record
