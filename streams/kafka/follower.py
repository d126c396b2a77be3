"""Reading a topic as it stands, or as it grows, for commands: every partition, in order within each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

from aiokafka import ConsumerRecord, TopicPartition

from streams.contract.settings import Settings, client_kwargs
from streams.kafka.admin import TopicsError
from streams.kafka.log_reader import FOLLOW_MS, LogReader


def tail(
    settings: Settings,
    topic: str,
    *,
    partition: int | None = None,
    start: int | None = None,
    last: int | None = None,
    follow: bool = False,
    idle_s: float | None = None,
) -> Iterator[ConsumerRecord]:
    """Records of a topic, up to its present end or without end. Not to be called while an event loop runs.

    Args:
        settings: which Kafka.
        topic: full name.
        partition: read only this one; None reads all.
        start: begin at this offset of the partition, or at the first that is left after it.
        last: begin this many offsets before the end of each partition.
        follow: go on with what comes later.
        idle_s: when following, end after so long without a record; None never ends.

    Raises TopicsError if Kafka cannot be reached, or the topic or the partition does not exist.
    """
    batches = _batches(settings, topic, partition, start, last, follow, idle_s)

    async def following() -> list[ConsumerRecord] | None:
        return await anext(batches, None)

    with asyncio.Runner() as runner:
        try:
            while (batch := runner.run(following())) is not None:
                yield from batch
        finally:
            runner.run(_closed(batches))


async def _closed(batches: Any) -> None:
    await batches.aclose()


async def _batches(
    settings: Settings,
    topic: str,
    partition: int | None,
    start: int | None,
    last: int | None,
    follow: bool,
    idle_s: float | None,
) -> AsyncIterator[list[ConsumerRecord]]:
    async with LogReader(client_kwargs(settings), wait_ms=FOLLOW_MS if follow else 5) as logs:
        there = (await logs.partitions([topic])).get(topic)
        if there is None:
            raise TopicsError(f"there is no topic {topic}: `credence topics list` shows those that are there")
        if partition is not None and partition >= there:
            raise TopicsError(f"{topic} has no partition {partition}, only {there}")
        wanted = [TopicPartition(topic, p) for p in range(there) if partition in (None, p)]
        ends = await logs.ends(wanted)
        begin = {tp: start if start is not None else end - last if last is not None else 0 for tp, end in ends.items()}
        await logs.place({tp: min(begin[tp], end) for tp, end in ends.items()})
        if not follow:
            async for batch in logs.upto(ends):
                yield batch
            return
        heard = time.monotonic()
        while idle_s is None or time.monotonic() - heard < idle_s:
            if batch := await logs.fetch():
                yield batch
                heard = time.monotonic()
