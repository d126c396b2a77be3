"""A partition's state twice: as its changelog has it, and as a replay of its log says it must be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.blocks import decode
from streams.engine.journal import META_KEY, Journal
from streams.engine.replica import Applied, Fence, Replica
from streams.engine.stage import StageSpec, read_partition


async def bounds(client: Mapping[str, Any], topic: str, partitions: int) -> list[tuple[int, int]]:
    """First and next offset of each partition of a topic."""
    consumer = AIOKafkaConsumer(**client, enable_auto_commit=False)
    await consumer.start()
    try:
        tps = [TopicPartition(topic, p) for p in range(partitions)]
        first, end = await consumer.beginning_offsets(tps), await consumer.end_offsets(tps)
        return [(first[tp], end[tp]) for tp in tps]
    finally:
        await consumer.stop()


async def recovered(client: Mapping[str, Any], spec: StageSpec, partition: int, end: int) -> Replica:
    """The state that a worker would recover now, read without claiming the partition.

    Args:
        end: next offset of the changelog partition.
    """
    replica = Replica(spec.core(partition))
    journal = Journal(replica.core.tables)
    fence = Fence()
    async for record in read_partition(client, spec.changelog_topic, partition, 0, end):
        if record.key != META_KEY:
            fence = journal.read(record.key, record.value) or fence
    journal.recovered()
    replica.fence = fence
    return replica


async def replayed(
    client: Mapping[str, Any], spec: StageSpec, partition: int, until: Fence, on_step: Callable[[Applied], None]
) -> Replica:
    """The state after a replay of the input log from its beginning up to a fence.

    Args:
        until: stop here; in the middle of a record, too, if the fence has a cursor.
        on_step: is given every step, for what it emits.
    """
    replica = Replica(spec.core(partition))
    last = until.offset + (1 if until.cursor else 0)
    async for record in read_partition(client, spec.input_topic, partition, 0, last + 1):
        try:
            block = decode(record.value)
        except (ValueError, KeyError, TypeError):
            block = None
        for step in replica.step(record.offset, record.timestamp, block):
            on_step(step)
            if (replica.fence.offset, replica.fence.cursor) == (until.offset, until.cursor):
                break
    return replica
