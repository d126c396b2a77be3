"""What a steady stream costs: CPU of each process and latency at one rate after the other, and with nothing to do.

Open loop: events are due at a steady rate, whatever becomes of those before. Some of them are probes, the first post of
a claim each, whose score record is therefore published at once. A probe's latency runs from the moment it was due to be
sent, so that a stall delays nobody's clock (corrected for coordinated omission).
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import psutil
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from load_tests.bench import load
from load_tests.bench.children import running
from streams.contract import topics
from streams.contract.settings import Settings, client_kwargs
from streams.engine.fetching import LaneFetcher
from streams.engine.journal import Outgoing
from streams.kafka import provision
from streams.ops.idle import Standstill

SLICE_S = 0.01
WARM_S = 3.0
"""How long a rate has been held when measuring begins."""
PROBES_PER_S = 40
PROBE = b"probe-"


async def steady(settings: Settings, broker_pid: int, rates: Mapping[int, float], log: Path) -> dict[str, Any]:
    """Rate → share of a core that each process takes, in percent, and latency in ms; with one worker and a
    communities stage.

    Args:
        rates: events/s → for how many seconds; rate 0 is nothing to do.
    """
    await asyncio.to_thread(provision.create, settings.broker, settings)
    found = {}
    async with Standstill(settings) as standstill:
        with (
            running(settings, "streams.cli", "worker", "--log-level", "info", log=log) as worker,
            running(settings, "streams.cli", "communities", "--log-level", "info", log=log) as communities,
        ):
            for stage in ("claims", "communities"):
                await standstill.board.wait_reported(stage, range(settings.partitions), 120)
            processes = {"worker": [worker.pid], "communities": [communities.pid], "broker": [broker_pid]}
            processes["child"] = [child.pid for child in psutil.Process(worker.pid).children()]
            raw = load.stream()
            async with asyncio.timeout(300 + 2 * sum(rates.values())):
                for rate, seconds in rates.items():
                    await standstill.wait()
                    found[str(rate)] = await _at(settings, rate, seconds, raw, processes)
                    both = {"worker": worker, "communities": communities}
                    if ended := [name for name, process in both.items() if process.poll() is not None]:
                        found[str(rate)]["ended"] = ended
    return found


async def ready_s(settings: Settings, log: Path) -> float:
    """Seconds from the start of a worker's process until it owns all partitions, with compiled code kept from before
    and nothing to recover."""
    await asyncio.to_thread(provision.create, settings.broker, settings)
    await asyncio.to_thread(subprocess.run, [sys.executable, "-m", "streams.scoring.rehearsal"], check=True)
    async with Standstill(settings) as standstill:
        began = time.perf_counter()
        with running(settings, "streams.cli", "worker", "--log-level", "info", log=log):
            await standstill.board.wait_reported("claims", range(settings.partitions), 120)
            return round(time.perf_counter() - began, 2)


async def _at(
    settings: Settings, rate: int, seconds: float, raw: Iterator[tuple[str, bytes]], processes: Mapping[str, list[int]]
) -> dict[str, Any]:
    consumer = AIOKafkaConsumer(topics.CLAIM_SCORES.name(settings), **client_kwargs(settings))
    await consumer.start()
    LaneFetcher.take_over(consumer._fetcher, lambda topic: 0.0)
    await consumer.seek_to_end()
    due: dict[bytes, float] = {}
    arrived: dict[bytes, float] = {}
    reader = asyncio.create_task(_read(consumer, arrived))
    sender = asyncio.create_task(_send(settings, rate, WARM_S + seconds, raw, due))
    await asyncio.sleep(WARM_S)
    before, began = _cpu_s(processes), time.perf_counter()
    await asyncio.sleep(seconds - 0.5)
    after, took = _cpu_s(processes), time.perf_counter() - began
    await sender
    async with asyncio.timeout(60):
        while due.keys() - arrived.keys():
            await asyncio.sleep(0.1)
    reader.cancel()
    await asyncio.gather(reader, return_exceptions=True)
    await consumer.stop()
    cpu = {name: round(100 * (after[name] - before[name]) / took, 1) for name in processes}
    late = [1000 * (arrived[claim] - at) for claim, at in due.items()]
    return {"cpu_percent": cpu} | ({"latency_ms": percentiles(late)} if late else {})


def _cpu_s(processes: Mapping[str, list[int]]) -> dict[str, float]:
    """Seconds of CPU, user and system, that each has taken."""
    return {name: sum(sum(psutil.Process(pid).cpu_times()[:2]) for pid in pids) for name, pids in processes.items()}


async def _read(consumer: AIOKafkaConsumer, arrived: dict[bytes, float]) -> None:
    while True:
        for records in (await consumer.getmany(timeout_ms=1000)).values():
            now = time.perf_counter()
            for record in records:
                if record.key.startswith(PROBE):
                    arrived.setdefault(record.key, now)


async def _send(
    settings: Settings, rate: int, seconds: float, raw: Iterator[tuple[str, bytes]], due: dict[bytes, float]
) -> None:
    """Send `rate` events a second, probes included."""
    if not rate:
        await asyncio.sleep(seconds)
        return
    # Whole batches: a send for each event would cost more than the worker does.
    every = max(1, round(rate / min(PROBES_PER_S, rate / 5)))
    producer = AIOKafkaProducer(**client_kwargs(settings), max_batch_size=1 << 20, max_request_size=8 << 20)
    await producer.start()
    try:
        topic, acks = topics.EVENTS.name(settings), list[Any]()
        began, sent = time.perf_counter(), 0
        while (elapsed := time.perf_counter() - began) < seconds:
            outgoing = []
            for number in range(sent, int(elapsed * rate) + 1):
                key, value = next(raw)
                if number % every == 0:
                    key = f"{PROBE.decode()}{rate}-{number}"
                    value = _post(key)
                    due[key.encode()] = began + number / rate
                partition = topics.partition_of(key, settings.partitions)
                outgoing.append(Outgoing(topic, partition, None, value))
            sent += len(outgoing)
            acks = [ack for ack in acks if not ack.done()]
            acks += await load.send_batches(producer, outgoing)
            await asyncio.sleep(SLICE_S)
        await asyncio.gather(*acks)
    finally:
        await producer.stop()


def _post(claim: str) -> bytes:
    now_ms = int(time.time() * 1000)
    return orjson.dumps({"v": 1, "id": claim, "kind": "post", "source_id": claim, "occurred_at_ms": now_ms})


def percentiles(values: list[float]) -> dict[str, float]:
    """Median, 90th, 99th percentile and maximum, ms."""
    p50, p90, p99 = np.percentile(values, [50, 90, 99]).tolist()
    return {"p50": round(p50, 1), "p90": round(p90, 1), "p99": round(p99, 1), "max": round(max(values), 1)}
