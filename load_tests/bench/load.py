"""The load: raw events and rulings as a platform would send them, from a seed."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import orjson
from aiokafka import AIOKafkaProducer

from streams.contract import topics
from streams.contract.settings import Settings
from streams.engine.journal import Outgoing
from streams.engine.sending import OUTPUT_BATCH_BYTES

START_MS = 1_700_000_000_000
PORTION = 200  # events that a stream makes at a time: more would hold up whoever sends them
WORDS = ["they", "say", "it", "was", "seen", "near", "river", "town", "hall", "after", "fire", "flood", "vote", "photo"]


def events(count: int, seed: int = 7) -> list[tuple[str, bytes]]:
    """(source id, raw JSON of about 300 bytes) of events in event-time order.

    Sources are heavy-tailed (a few write most), claims rise and fade, nine in ten events are reshares or replies, one
    in twelve denies.
    """
    rng = np.random.default_rng(seed)
    return _portion(0, count, count, rng, _texts(rng))


def stream(seed: int = 7, population: int = 200_000) -> Iterator[tuple[str, bytes]]:
    """The same without end, made as they are asked for: with as many sources as `events(population)` has."""
    rng = np.random.default_rng(seed)
    texts = _texts(rng)
    for first in itertools.count(0, PORTION):
        yield from _portion(first, PORTION, population, rng, texts)


def _texts(rng: np.random.Generator) -> list[str]:
    return [" ".join(words) for words in rng.choice(WORDS, (512, 14))]


def _portion(
    first: int, count: int, population: int, rng: np.random.Generator, texts: list[str]
) -> list[tuple[str, bytes]]:
    """Events number `first` and the next ones."""
    sources = np.minimum(rng.pareto(1.15, count) * population / 400, population / 3).astype(int)
    claims = ((first + np.arange(count)) / 400 + rng.exponential(12, count)).astype(int)
    kinds = rng.choice(["post", "reshare", "reply"], count, p=[0.1, 0.75, 0.15])
    denies = rng.random(count) < 0.08
    told = rng.integers(0, len(texts), count)
    raw = []
    for i in range(count):
        event: dict[str, Any] = {
            "v": 1,
            "id": f"event-{first + i:09d}",
            "kind": kinds[i],
            "source_id": f"source-{sources[i]:08d}",
            "occurred_at_ms": START_MS + (first + i) * 20,
            "claim_id": f"claim-{claims[i]:07d}",
            "text": texts[told[i]],
            "lang": "en",
        }
        if denies[i]:
            event["stance"] = "deny"
        raw.append((event["source_id"], orjson.dumps(event)))
    return raw


def rulings(count: int, seed: int = 7) -> list[tuple[int, str, bytes]]:
    """(events that come before it, claim id, raw JSON) of a ruling on one claim in ten that `events(count)` tells.

    It is due when the claim has mostly been told.
    """
    rng = np.random.default_rng(seed)
    ruled = np.flatnonzero(rng.random(count // 400) < 0.1)
    return [
        (
            (int(c) + 30) * 400,
            f"claim-{c:07d}",
            orjson.dumps({
                "v": 1, "id": f"ruling-{c}", "claim_id": f"claim-{c:07d}", "version": 1,
                "verdict": "false" if c % 2 else "true", "rater_id": "desk", "kind": "fact-check",
                "ruled_at_ms": START_MS + int(c) * 8000 + 400_000,
            }),
        )
        for c in ruled
    ]  # fmt: skip


async def publish(
    client: Mapping[str, Any], settings: Settings, topic: topics.Topic, keyed: Sequence[tuple[str, bytes]]
) -> dict[int, int]:
    """Publish; the number of records on each partition."""
    n = settings.partitions
    outgoing = [Outgoing(topic.name(settings), topics.partition_of(key, n), key.encode(), raw) for key, raw in keyed]
    producer = AIOKafkaProducer(**client, max_batch_size=1 << 20, max_request_size=8 << 20)
    await producer.start()
    try:
        await asyncio.gather(*await send_batches(producer, outgoing))
    finally:
        await producer.stop()
    counts: dict[int, int] = {}
    for record in outgoing:
        counts[record.partition] = counts.get(record.partition, 0) + 1
    return counts


async def send_batches(producer: AIOKafkaProducer, outgoing: Sequence[Outgoing]) -> list[Any]:
    """Hand records to a producer in few, bounded batches; returns their acks. A send a record costs ten times more."""
    groups: dict[tuple[str, int], list[Outgoing]] = {}
    for record in outgoing:
        groups.setdefault((record.topic, record.partition), []).append(record)
    acks = []
    for (topic, partition), records in groups.items():
        batch, size = producer.create_batch(), 0
        for record in records:
            more = len(record.key or b"") + len(record.value or b"")
            if size and size + more > OUTPUT_BATCH_BYTES:
                acks.append(await producer.send_batch(batch, topic, partition=partition))
                batch, size = producer.create_batch(), 0
            size += more
            if batch.append(key=record.key, value=record.value, timestamp=None) is None:
                raise ValueError(f"a record of {len(record.value or b'')} bytes for {topic} is too large")
        acks.append(await producer.send_batch(batch, topic, partition=partition))
    return acks
