"""How old the answers are: since when there has been input that no published score can reflect yet.

Stages report how far they have applied their logs. Once a second the ends of those logs are asked for, and of each
partition it is remembered when its end was first seen to be beyond what is applied. So the age grows while workers are
down, and falls when one comes back; without new input nothing grows old.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque

from aiokafka.errors import KafkaError

from streams.contract.settings import Settings, client_kwargs
from streams.contract.topics import BY_CLAIM, BY_SOURCE, EVENTS, PROGRESS, RULINGS
from streams.engine.progress import ProgressBoard
from streams.kafka.admin import TopicsError
from streams.kafka.log_reader import LogReader
from streams.kafka.topic_ids import TopicIds

log = logging.getLogger(__name__)

LOOK_S = 1.0
# What scores wait for; communities and parameters change them later, as they learn.
_INPUTS = {
    f"intake-{EVENTS.base}": EVENTS,
    f"intake-{RULINGS.base}": RULINGS,
    BY_SOURCE.reader: BY_SOURCE,
    BY_CLAIM.reader: BY_CLAIM,
}


class Waiting:
    """Since when records of one partition have waited.

    Each look notes the end; the oldest note that lies beyond what is applied says since when.
    """

    def __init__(self) -> None:
        self._notes: deque[tuple[float, int]] = deque()

    def look(self, now_s: float, applied: int, end: int, since_s: float | None = None) -> float:
        """Take a look; returns for how many seconds the oldest waiting record has waited, 0 if none does.

        Args:
            now_s: time of the look.
            applied: last offset that is applied, −1 for none.
            end: next offset of the log.
            since_s: when the oldest waiting record came, where that is known from elsewhere.
        """
        if not self._notes or self._notes[-1][1] < end:
            self._notes.append((now_s if since_s is None else since_s, end))
        while self._notes and self._notes[0][1] - 1 <= applied:
            self._notes.popleft()
        return max(0.0, now_s - self._notes[0][0]) if self._notes else 0.0


class Freshness:
    """Watches how far the stages are behind.

    Args:
        settings: with the broker filled in.

    `board` is what the stages report.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.board = ProgressBoard(client_kwargs(settings), PROGRESS.name(settings))
        self._waiting: dict[tuple[str, int], Waiting] = {}
        self._looked_at: float | None = None
        self._lag_s = 0.0

    def lag_s(self) -> float | None:
        """Seconds for which the oldest input that no score reflects has waited; None before the first look."""
        if self._looked_at is None:
            return None
        # Between looks, and while Kafka is away, what waited goes on waiting.
        return self._lag_s + (time.monotonic() - self._looked_at if self._lag_s else 0.0)

    async def watch(self) -> None:
        """Look again and again, until cancelled."""
        await self.board.start(publish=False)
        try:
            async with TopicIds(self._settings) as ids, LogReader(client_kwargs(self._settings)) as logs:
                while True:
                    with contextlib.suppress(KafkaError, TopicsError, OSError):
                        await self._look(ids, logs)
                    await asyncio.sleep(LOOK_S)
        finally:
            await self.board.stop()

    async def _look(self, ids: TopicIds, logs: LogReader) -> None:
        names = {stage: topic.name(self._settings) for stage, topic in _INPUTS.items()}
        found = await ids.of(list(names.values()))
        self.board.topic_ids = {stage: found.get(name, "") for stage, name in names.items()}
        there = await self.board.partitions(names.values())
        parts = {(stage, p): (name, p) for stage, name in names.items() for p in range(there.get(name, 0))}
        ends = await self.board.ends(parts.values())
        now = time.time()
        lag = 0.0
        for part, tp in parts.items():
            applied, end = self.board.applied(*part), ends[tp]
            since = None
            if part not in self._waiting:
                self._waiting[part] = Waiting()
                if applied < end - 1:
                    since = await _came_at(logs, *tp, applied + 1, end)
            lag = max(lag, self._waiting[part].look(now, applied, end, since))
        self._lag_s, self._looked_at = lag, time.monotonic()


async def _came_at(logs: LogReader, topic: str, partition: int, start: int, end: int) -> float | None:
    """When the first record with start ≤ offset < end came, by the broker's clock, seconds since 1970."""
    async for record in logs.read(topic, partition, start, end):
        return float(record.timestamp) / 1000
    return None
