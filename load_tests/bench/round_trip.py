"""How long a verdict takes all the way round, with nothing else to do: from the ruling on one claim of a source, by way
of the source's record, to the changed score of another claim that it posted.

One after the other, so that no verdict waits for another.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from load_tests.bench.children import running
from load_tests.bench.steady import percentiles
from streams.contract import topics
from streams.contract.settings import Settings, client_kwargs
from streams.contract.topics import Topic, partition_of
from streams.kafka import provision
from streams.kafka.clients import started
from streams.ops.idle import Standstill

VERDICTS = 60
WARM = 10
"""Verdicts that are not counted."""


async def round_trips(settings: Settings, log: Path) -> dict[str, float]:
    """Median, 90th, 99th percentile and maximum, ms, of a worker of its own."""
    await asyncio.to_thread(provision.create, settings.broker, settings)
    client = client_kwargs(settings)
    async with (
        Standstill(settings) as standstill,
        started(AIOKafkaProducer, client) as producer,
        started(partial(AIOKafkaConsumer, topics.CLAIM_SCORES.name(settings)), client) as scores,
    ):
        with running(settings, "streams.cli", "worker", "--log-level", "info", log=log):
            await standstill.board.wait_reported("claims", range(settings.partitions), 120)
            for kind, claim in enumerate(("ruled", "open")):
                posts = [_post(f"{claim}-{n}", f"source-{n}", kind) for n in range(VERDICTS)]
                await _send(settings, producer, topics.EVENTS, posts)
            await standstill.wait()
            await scores.seek_to_end()
            took = [await _round_trip(settings, producer, scores, n) for n in range(VERDICTS)]
    return percentiles(took[WARM:])


async def _round_trip(settings: Settings, producer: AIOKafkaProducer, scores: AIOKafkaConsumer, n: int) -> float:
    """Rule on a claim; ms until the other one of its source has a new score."""
    ruled = f"ruled-{n}"
    ruling = {
        "v": 1, "id": f"ruling-{n}", "claim_id": ruled, "version": 1, "verdict": "true", "rater_id": "bench",
        "ruled_at_ms": int(time.time() * 1000), "kind": "fact-check",
    }  # fmt: skip
    began = time.perf_counter()
    await _send(settings, producer, topics.RULINGS, [(ruled, ruling)])
    async with asyncio.timeout(30):
        async for record in scores:
            if record.key == f"open-{n}".encode():
                return 1000 * (time.perf_counter() - began)
    raise RuntimeError("the scores ended")


def _post(claim: str, source: str, kind: int) -> tuple[str, dict[str, object]]:
    return source, {
        "v": 1, "id": claim, "kind": "post", "source_id": source, "claim_id": claim,
        "occurred_at_ms": int(time.time() * 1000) + kind,
    }  # fmt: skip


async def _send(
    settings: Settings, producer: AIOKafkaProducer, topic: Topic, keyed: Iterable[tuple[str, dict[str, object]]]
) -> None:
    acks = [
        await producer.send(topic.name(settings), orjson.dumps(value), partition=partition_of(key, settings.partitions))
        for key, value in keyed
    ]
    await asyncio.gather(*acks)
