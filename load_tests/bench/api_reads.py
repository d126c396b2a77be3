"""How quickly the query service answers, while a worker runs beside it, and how soon it is back after a restart."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
from aiokafka import AIOKafkaProducer

from load_tests.bench import load
from load_tests.bench.children import cpu_seconds, running, start
from streams.contract import topics
from streams.contract.settings import Settings, client_kwargs
from streams.engine.journal import Outgoing
from streams.kafka import provision
from streams.kafka.clients import started

CHUNK = 50_000
READY_S = 900.0
Say = Callable[[str], None]


async def reads(
    settings: Settings, keys: int, rate: int, batches: int, seconds: float, events_per_s: int, log: Path, say: Say
) -> dict[str, Any]:
    """Single reads and batches of a thousand at steady rates, with a worker that gets events meanwhile.

    Args:
        keys: claims that the service holds.
        rate: single reads a second.
        batches: batches a second.
        seconds: of each.
        events_per_s: that the worker gets.
    """
    await asyncio.to_thread(provision.create, settings.broker, settings)
    await fill(settings, 0, keys)
    result: dict[str, Any] = {"keys": keys}
    with running(settings, "streams.cli", "worker", log=log), service(settings, log) as (process, url):
        await asyncio.to_thread(ready, url, keys)
        feeding = asyncio.create_task(feed(settings, events_per_s))
        try:
            for name, each, size in (("single", rate, 0), ("batch_of_1000", batches, 1_000)):
                say(f"{each:,} requests/s for {seconds:.0f} s: {name.replace('_', ' ')}")
                before = cpu_seconds(process.pid)
                found = await asyncio.to_thread(asked, url, each, seconds, keys, str(size))
                # Also while the machine does other work this says what one core would answer.
                cpu_s = cpu_seconds(process.pid) - before
                result[name] = found | {"per_second_of_cpu": round(found.pop("asked") / cpu_s)}
        finally:
            feeding.cancel()
            await asyncio.gather(feeding, return_exceptions=True)
    return result


async def restart(settings: Settings, keys: int, folder: Path, log: Path, say: Say) -> dict[str, Any]:
    """Seconds until a service with this many claims is ready: from the topics, and after a restart from its copy."""
    await asyncio.to_thread(provision.create, settings.broker, settings)
    for first in range(0, keys, 10 * CHUNK):
        say(f"publishing {keys:,} scores: {first:,}")
        await fill(settings, first, min(keys, first + 10 * CHUNK))
    kept = settings.replace(data_dir=str(folder))
    result: dict[str, Any] = {"keys": keys}
    for name in ("from_the_topics_s", "after_a_restart_s"):
        say(f"starting the query service: {name.replace('_', ' ')}")
        began = time.perf_counter()
        with service(kept, log) as (_, url):
            await asyncio.to_thread(ready, url, keys)
            result[name] = round(time.perf_counter() - began, 1)
    result["megabytes"] = round(sum(file.stat().st_size for file in folder.iterdir()) / 1e6)
    return result


async def fill(settings: Settings, first: int, end: int) -> None:
    """Publish a score of each claim from `first` to below `end`."""
    for begin in range(first, end, CHUNK):
        keyed = [(f"claim-{n:07d}", orjson.dumps(score(n))) for n in range(begin, min(end, begin + CHUNK))]
        await load.publish(client_kwargs(settings), settings, topics.CLAIM_SCORES, keyed)


def score(n: int) -> Mapping[str, Any]:
    """A score record of the size and shape of real ones."""
    share = n * 7919 % 10_007 / 10_007
    return {
        "v": 1, "claim_id": f"claim-{n:07d}", "version": 1 + n % 40, "core_version": "1.4+p17",
        "as_of_ms": load.START_MS + n,
        "score": share, "low": share * 0.7, "high": share + (1 - share) * 0.3, "risk": 1 - share,
        "risk_low": (1 - share) * 0.7, "risk_high": 1 - share * 0.7, "events": n % 900, "participants": n % 700,
        "supports": n % 500, "denies": n % 90, "queries": n % 7, "comments": n % 5, "first_event_ms": load.START_MS,
        "last_event_ms": load.START_MS + n, "flagged": n % 97 == 0, "evidence": 1.25, "enough_evidence": n % 3 != 0,
        "infectiousness": 0.31, "infectiousness_low": 0.11, "infectiousness_high": 0.58,
        "expected_growth_24h": n % 333 / 7,
    }  # fmt: skip


@contextmanager
def service(settings: Settings, log: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A query service for the length of the block, and its address."""
    said = log.stat().st_size if log.exists() else 0
    process = start(settings.replace(api_port=0, api_rate_per_minute=0), "streams.cli", "api", log=log)
    try:
        yield process, _address(process, log, said)
    finally:
        process.terminate()
        process.wait(60)


def _address(process: subprocess.Popen[bytes], log: Path, said: int) -> str:
    while process.poll() is None:
        if found := re.search(rb"answering on (\S+)", log.read_bytes()[said:]):
            return found[1].decode()
        time.sleep(0.02)
    raise RuntimeError(f"the query service ended: {log.read_text()[-2_000:]}")


def ready(url: str, claims: int) -> None:
    """Wait until a service is ready and holds so many claims."""
    end = time.monotonic() + READY_S
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=30) as answer:
                if json.load(answer)["claims"] >= claims:
                    return
        except OSError:
            pass
        time.sleep(0.05)
    raise TimeoutError(f"the query service was not ready in {READY_S:.0f} s")


def asked(url: str, rate: float, seconds: float, keys: int, what: str) -> dict[str, Any]:
    """What a process of its own found that asked at a rate; `what` as in `open_loop`."""
    command = [sys.executable, "-m", "load_tests.bench.open_loop", url, *map(str, (rate, seconds, keys, what))]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 180, check=True)
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


async def feed(settings: Settings, per_s: int) -> None:
    """Send events to the worker, a tenth of a second's at once."""
    each = max(1, per_s // 10)
    raw = itertools.cycle(load.events(per_s * 120))
    name, n = topics.EVENTS.name(settings), settings.partitions
    async with started(AIOKafkaProducer, client_kwargs(settings)) as producer:
        while True:
            part = [
                Outgoing(name, topics.partition_of(key, n), key.encode(), value)
                for key, value in itertools.islice(raw, each)
            ]
            await asyncio.gather(*await load.send_batches(producer, part))
            await asyncio.sleep(0.1)
