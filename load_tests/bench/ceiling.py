"""The ceiling: one process that fetches the same raw events with aiokafka and parses them, and does nothing else."""

from __future__ import annotations

import asyncio
import sys
import time

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.contract import topics
from streams.contract.settings import Settings, client_kwargs


async def consume(settings: Settings) -> tuple[int, float]:
    """Records parsed and seconds from the first fetch to the last record."""
    consumer = AIOKafkaConsumer(**client_kwargs(settings), enable_auto_commit=False)
    await consumer.start()
    tps = [TopicPartition(topics.EVENTS.name(settings), p) for p in range(settings.partitions)]
    left = sum((await consumer.end_offsets(tps)).values())
    total, loads = left, orjson.loads
    began = time.perf_counter()
    consumer.assign(tps)  # from here on it fetches
    for tp in tps:
        consumer.seek(tp, 0)
    while left:
        for records in (await consumer.getmany(timeout_ms=1000)).values():
            for record in records:
                loads(record.value)
            left -= len(records)
    seconds = time.perf_counter() - began
    await consumer.stop()
    return total, seconds


if __name__ == "__main__":
    count, elapsed = asyncio.run(consume(Settings.from_env()))
    sys.stdout.write(f"MEASURED {count} {elapsed}\n")
