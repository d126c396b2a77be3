"""How long from an event to its score: open loop, at a steady rate, corrected for coordinated omission.

Every probe is the first post of a claim, whose score record is therefore published at once. Its latency runs from the
moment it was due to be sent, so that a stall delays nobody's clock.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from load_tests.bench import load
from load_tests.bench.children import running
from streams.contract import topics
from streams.contract.settings import Settings, client_kwargs
from streams.kafka import provision
from streams.ops.idle import Standstill

SLICE_S = 0.01


async def latencies_ms(settings: Settings, rate: int, seconds: float, probes_per_s: int, log: Path) -> list[float]:
    """Latency of each probe, ms, with `rate` events/s going through one worker."""
    await asyncio.to_thread(provision.create, settings.broker, settings)
    client = client_kwargs(settings)
    async with Standstill(settings) as standstill:
        with running(settings, "streams.cli", "worker", "--log-level", "info", log=log):
            await standstill.board.wait_reported("claims", range(settings.partitions), 120)
            consumer = AIOKafkaConsumer(topics.CLAIM_SCORES.name(settings), **client, fetch_max_wait_ms=5)
            await consumer.start()
            await consumer.seek_to_end()
            due: dict[bytes, float] = {}
            arrived: dict[bytes, float] = {}
            reader = asyncio.create_task(_read(consumer, arrived))
            await _send(client, settings, rate, seconds, probes_per_s, due)
            await standstill.wait()
            await asyncio.sleep(0.5)
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)
            await consumer.stop()
    missing = due.keys() - arrived.keys()
    if missing:
        raise RuntimeError(f"{len(missing)} of {len(due)} probes never got a score")
    return [1000 * (arrived[claim] - at) for claim, at in due.items()]


async def _read(consumer: AIOKafkaConsumer, arrived: dict[bytes, float]) -> None:
    async for record in consumer:
        arrived.setdefault(record.key, time.perf_counter())


async def _send(
    client: Mapping[str, Any], settings: Settings, rate: int, seconds: float, probes_per_s: int, due: dict[bytes, float]
) -> None:
    topic = topics.EVENTS.name(settings)
    background = iter(load.events(int(rate * seconds) + rate))
    producer = AIOKafkaProducer(**client)
    await producer.start()
    try:
        began = time.perf_counter()
        sent = probes = 0
        while (elapsed := time.perf_counter() - began) < seconds:
            while sent < elapsed * rate:
                source, raw = next(background)
                await _one(producer, topic, settings, source, raw)
                sent += 1
            while probes < elapsed * probes_per_s:
                claim = f"probe-{probes:06d}"
                due[claim.encode()] = began + probes / probes_per_s
                event = {"v": 1, "id": claim, "kind": "post", "source_id": f"prober-{probes}", "occurred_at_ms": _now()}
                await _one(producer, topic, settings, claim, orjson.dumps(event))
                probes += 1
            await asyncio.sleep(SLICE_S)
    finally:
        await producer.stop()


async def _one(producer: AIOKafkaProducer, topic: str, settings: Settings, key: str, raw: bytes) -> None:
    await producer.send(topic, raw, partition=topics.partition_of(key, settings.partitions))


def _now() -> int:
    return int(time.time() * 1000)


def percentiles(values: list[float]) -> dict[str, float]:
    """Median, 90th, 99th percentile and maximum, ms."""
    p50, p90, p99 = np.percentile(values, [50, 90, 99]).tolist()
    return {"p50": round(p50, 1), "p90": round(p90, 1), "p99": round(p99, 1), "max": round(max(values), 1)}
