"""Two versions in one run: the whole path of this one and of another checkout, in turn on one broker.

CPU time is compared beside events a second, since other work on the machine disturbs it less.
"""

from __future__ import annotations

import asyncio
import statistics
import uuid
from collections.abc import Callable
from pathlib import Path

from load_tests.bench import load
from load_tests.bench.throughput import Took, whole_path
from streams.contract import topics
from streams.contract.settings import Settings, client_kwargs
from streams.kafka import provision


async def beside(
    settings: Settings, events: int, rounds: int, checkout: Path, say: Callable[[str], None], log: Path
) -> dict[str, float]:
    """Figures of both versions, medians over the rounds; ratios are of the same round, above 1 where ours is better.

    Args:
        checkout: the other version, after `make install`; it takes turns with ours in being first.
    """
    raw, verdicts = load.events(events), load.rulings(events)
    ours, theirs = list[Took](), list[Took]()
    for number in range(rounds):
        contenders = [(None, ours), (checkout.resolve(), theirs)]
        for other, found in reversed(contenders) if number % 2 else contenders:
            here = settings.replace(namespace=f"bench-{uuid.uuid4().hex[:8]}.")
            await asyncio.to_thread(provision.create, here.broker, here)
            published = await load.publish(client_kwargs(here), here, topics.EVENTS, raw)
            took = await whole_path(here, published, verdicts, log, other)
            found.append(took)
            await asyncio.to_thread(provision.delete, here.broker, here)
            figures = f"{events / took.seconds:,.0f} events/s, {1e6 * took.cpu_seconds / events:.1f} µs of CPU an event"
            say(f"round {number + 1} of {rounds}: {other or 'this version'} {figures}")
    pairs = list(zip(ours, theirs, strict=True))
    return {
        "events_per_s": round(statistics.median(events / took.seconds for took in ours)),
        "cpu_us_per_event": round(statistics.median(1e6 * took.cpu_seconds / events for took in ours), 2),
        "beside_events_per_s": round(statistics.median(events / took.seconds for took in theirs)),
        "beside_cpu_us_per_event": round(statistics.median(1e6 * took.cpu_seconds / events for took in theirs), 2),
        "ratio_by_seconds": round(statistics.median(b.seconds / a.seconds for a, b in pairs), 3),
        "ratio_by_cpu": round(statistics.median(b.cpu_seconds / a.cpu_seconds for a, b in pairs), 3),
    }
