"""Events per second through the whole path, beside the ceiling and idiomatic Faust, alternating on one broker."""

from __future__ import annotations

import asyncio
import statistics
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from load_tests.bench import load
from load_tests.bench.children import AnyVersion, cpu_seconds, measured, running
from streams.contract import topics
from streams.contract.settings import Settings, client_kwargs
from streams.engine.progress import ProgressBoard
from streams.kafka import provision
from streams.worker.stages import intake_stage

Say = Callable[[str], None]
Verdict = tuple[int, str, bytes]


@dataclass
class Rates:
    """Events per second of each round.

    Attributes:
        path: until the last score of the last event is acknowledged.
        ceiling: fetched and parsed in one process, nothing else.
        idiomatic: the textbook job (a Table update and one output an event), on fewer events.
    """

    path: list[float] = field(default_factory=list)
    ceiling: list[float] = field(default_factory=list)
    idiomatic: list[float] = field(default_factory=list)

    def each(self) -> dict[str, list[float]]:
        """The figures of every round, in order."""
        return {
            "path": [round(rate) for rate in self.path],
            "ceiling": [round(rate) for rate in self.ceiling],
            "ratio": [round(ratio, 3) for ratio in self._ratios()],
            "idiomatic": [round(rate) for rate in self.idiomatic],
        }

    def _ratios(self) -> list[float]:
        return [p / c for p, c in zip(self.path, self.ceiling, strict=True)]

    def ratio(self) -> float:
        """Median over the rounds of path against ceiling."""
        return statistics.median(self._ratios())

    def speed_up(self) -> float:
        """Median over the rounds of path against idiomatic Faust."""
        return statistics.median(p / i for p, i in zip(self.path, self.idiomatic, strict=True))


async def rounds(settings: Settings, events: int, count: int, idiomatic_events: int, say: Say, log: Path) -> Rates:
    """Run every contender `count` times, in turn; each round has topics of its own."""
    raw, verdicts = load.events(events), load.rulings(events)
    rates = Rates()
    for number in range(count):
        here = settings.replace(namespace=f"bench-{uuid.uuid4().hex[:8]}.")
        await asyncio.to_thread(provision.create, here.broker, here)
        client = client_kwargs(here)
        published = await load.publish(client, here, topics.EVENTS, raw)
        parsed, seconds = await asyncio.to_thread(measured, here, "load_tests.bench.ceiling", 300.0)
        rates.ceiling.append(parsed / seconds)
        took = await whole_path(here, published, verdicts, log)
        rates.path.append(events / took.seconds)
        say(f"round {number + 1} of {count}: path {rates.path[-1]:,.0f}, ceiling {rates.ceiling[-1]:,.0f} events/s")
        if idiomatic_events:
            done, seconds = await asyncio.to_thread(
                measured, here, "load_tests.bench.idiomatic", 90.0, IDIOMATIC_EVENTS=str(idiomatic_events)
            )
            rates.idiomatic.append(done / seconds)
            say(f"round {number + 1} of {count}: idiomatic Faust {rates.idiomatic[-1]:,.0f} events/s")
        await asyncio.to_thread(provision.delete, here.broker, here)
    return rates


class Took(NamedTuple):
    """What the whole path took: seconds, and CPU seconds of the worker and its child."""

    seconds: float
    cpu_seconds: float


async def whole_path(
    settings: Settings, events: dict[int, int], verdicts: list[Verdict], log: Path, checkout: Path | None = None
) -> Took:
    """From a worker's readiness until everything published is applied and acknowledged by every stage.

    The events are there already; each verdict is published when the events before it have been taken in.

    Args:
        checkout: whose worker it is; None: ours.
    """
    async with AnyVersion(settings) as standstill:
        with running(settings, "streams.cli", "worker", "--log-level", "info", log=log, checkout=checkout) as worker:
            # A stage reports when it has recovered; only then is anything consumed.
            await standstill.board.wait_reported("claims", range(settings.partitions), 120)
            began, cpu = time.perf_counter(), cpu_seconds(worker.pid)
            await _rule(standstill.board, settings, verdicts, sum(events.values()))
            await standstill.wait()
            return Took(time.perf_counter() - began, cpu_seconds(worker.pid) - cpu)


async def _rule(board: ProgressBoard, settings: Settings, verdicts: list[Verdict], total: int) -> None:
    client, stage = client_kwargs(settings), intake_stage(topics.EVENTS)
    left = list(verdicts)
    while True:
        taken = sum(progress.applied + 1 for progress in board.latest(stage).values())
        due = [(claim, raw) for position, claim, raw in left if position <= taken or taken >= total]
        if due:
            left = left[len(due) :]
            await load.publish(client, settings, topics.RULINGS, due)
        if taken >= total:
            return
        await asyncio.sleep(0.02)
