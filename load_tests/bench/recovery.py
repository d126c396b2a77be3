"""Large states: how many bytes a row takes in memory, and how long recovery takes.

`fill` writes the changelog of the sources stage as a worker does (same core, same journal, same fenced producer), only
without an outbox. `python -m load_tests.bench.recovery` recovers it in a fresh process as a worker does, and prints
what it took.
"""

from __future__ import annotations

import asyncio
import sys
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import orjson
import psutil

from streams.contract.settings import Settings, client_kwargs
from streams.engine.fencing import FencedProducer
from streams.engine.journal import Journal
from streams.engine.replica import Replica
from streams.engine.stage import StagePartition
from streams.scoring.claims.claims_state import ClaimsState
from streams.scoring.config import ScoringConfig
from streams.scoring.rehearsal import rehearse
from streams.scoring.sources.sources_state import SourcesState
from streams.tables.block_wire import decode, encode
from streams.tables.blocks import Block, make
from streams.tables.categorical import Categorical
from streams.worker.stages import stage_specs

ROWS = 8_000
NOW_MS = 1_760_000_000_000
META: dict[str, Any] = {"partitions": 0}


def events(first: int, count: int, claim: int, sources: int) -> Block:
    """One post each by `count` sources on a claim shared by a hundred of them."""
    numbers = [(first + i) % sources for i in range(count)]
    ids = [f"e{claim}-{n}" for n in numbers]
    zeros = np.zeros(count, np.int64)
    columns: dict[str, Any] = {
        "s": [f"source-{n:09d}" for n in numbers], "c": [f"claim-{claim}-{n // 100}" for n in numbers], "i": ids,
        "e": np.arange(1, count + 1), "h": np.arange(count), "kind": zeros, "x": zeros + 1,
        "t": zeros + NOW_MS + claim * 60_000, "m": [f"community-{n % 12}" for n in numbers], "g": zeros, "r": zeros,
        "said": [""] * count,
    }  # fmt: skip
    return make("events", "e/0", 0, columns)


def credits(first: int, count: int) -> Block:
    """A settled claim for each of the sources: their full state."""
    numbers = range(first, first + count)
    zeros = np.zeros(count)
    columns: dict[str, Any] = {
        "s": [f"source-{n:09d}" for n in numbers], "c": [f"claim-0-{n // 100}" for n in numbers], "ver": zeros + 1,
        "y": [1 if n % 3 else -1 for n in numbers], "stance": zeros + 1, "q": zeros + 0.5,
        "f": [-1 if n % 3 else 1 for n in numbers], "t": zeros + NOW_MS + 3_600_000,
    }  # fmt: skip
    return make("credits", "c/0", 0, columns)


async def fill(settings: Settings, sources: int, open_claims: int) -> None:
    """Write the changelogs of `sources` sources with so many open claims each, spread over the partitions."""
    spec = stage_specs(settings)["sources"]
    each = sources // settings.partitions
    for partition in range(settings.partitions):
        producer = FencedProducer(client_kwargs(settings), f"{spec.changelog_topic}-{partition}")
        await producer.claim()
        owner = StagePartition(spec, partition, client_kwargs(settings), META)
        replica = Replica(SourcesState(ScoringConfig(), partition))
        journal = Journal(replica.core.tables)
        journal.meta = owner.meta
        position = 0
        base = partition * each
        for claim in range(open_claims):
            for start in range(0, each, ROWS):
                count = min(ROWS, each - start)
                replica.core.apply(events(base + start, count, claim, sources), NOW_MS)
                if claim == open_claims - 1:
                    replica.core.apply(credits(base + start, count), NOW_MS)
                replica.fence.offset += 1
                changes = [change.seal() for change in journal.changes(position)]
                entries = [*changes, journal.fence(replica.fence, [])]
                position = await producer.append(spec.changelog_topic, partition, entries) + len(entries)
        await producer.close()


async def recover(settings: Settings) -> dict[str, float]:
    """Recover every partition as a worker does; seconds, rows and bytes of memory that it took."""
    spec = stage_specs(settings)["sources"]
    before = psutil.Process().memory_info().rss
    began = time.perf_counter()
    owners = [StagePartition(spec, p, client_kwargs(settings), META) for p in range(settings.partitions)]
    rows = sum(await asyncio.gather(*(owner.acquire() for owner in owners)))
    seconds = time.perf_counter() - began
    sources = sum(len(t) for o in owners for t in o.replica.core.tables if t.name == "sources")
    memory = psutil.Process().memory_info().rss - before
    for owner in owners:
        await owner.release()
    return {"seconds": round(seconds, 2), "sources": sources, "rows": rows, "bytes_per_source": round(memory / sources)}


def bytes_per_row(rows: int) -> dict[str, int]:
    """Bytes that a source with five open claims, a claim and a participant take, keys and texts included.

    Measured as what the allocator still holds after `rows` of them were applied. Compiled code is loaded before.
    """
    rehearse()
    sources, stamped = SourcesState(ScoringConfig(), 0), list[bytes]()

    def posts() -> None:
        for claim in range(5):
            for start in range(0, rows, ROWS):
                sources.apply(events(start, min(ROWS, rows - start), claim, rows), NOW_MS)

    source = _held(posts)
    fresh = SourcesState(ScoringConfig(), 0)
    for start in range(0, rows, ROWS):
        stamped += [encode(b) for b in fresh.apply(events(start, min(ROWS, rows - start), 0, rows), NOW_MS).blocks]

    together, apart = ClaimsState(ScoringConfig(), 0), ClaimsState(ScoringConfig(), 0)

    def shared() -> None:
        for value in stamped:
            together.apply(decode(value), NOW_MS)

    def alone() -> None:
        for value in stamped:
            apart.apply(_lone(decode(value)), NOW_MS)

    participant = _held(shared)
    with_claim = _held(alone)
    return {
        "source": round(source / rows),
        "participant": round(participant / rows),
        "claim": round((with_claim - participant) / rows),
    }


def _held(work: Callable[[], None]) -> int:
    """Bytes allocated by the work and not given back at its end."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()


def _lone(block: Block) -> Block:
    """The same events, each on a claim of its own."""
    copy = block.take(np.arange(len(block)))
    copy.columns["c"] = Categorical.of([f"lone-{source}" for source in copy["s"]])
    return copy


if __name__ == "__main__":
    sys.stdout.buffer.write(b"RESULT " + orjson.dumps(asyncio.run(recover(Settings.from_env()))) + b"\n")
