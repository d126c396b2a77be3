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
from streams.contract.topics import BY_CLAIM, BY_SOURCE
from streams.kafka.admin import TopicsError
from streams.kafka.log_reader import LogReader
from streams.ops.idle import INPUTS, STAGES, Standstill

log = logging.getLogger(__name__)

LOOK_S = 1.0
_WAITED_FOR = (*INPUTS, BY_SOURCE.reader, BY_CLAIM.reader)
"""What scores wait for; communities and parameters change them later, as they learn."""


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
        self._stages = Standstill(settings)
        self.board = self._stages.board
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
        async with self._stages, LogReader(client_kwargs(self._settings)) as logs:
            while True:
                with contextlib.suppress(KafkaError, TopicsError, OSError):
                    await self._look(logs)
                await asyncio.sleep(LOOK_S)

    async def _look(self, logs: LogReader) -> None:
        ends, now = await self._stages.ends(), time.time()
        parts = [(stage, partition, end) for stage in _WAITED_FOR for partition, end in ends[stage].items()]
        self._lag_s = max([await self._waited_s(logs, *part, now) for part in parts], default=0.0)
        self._looked_at = time.monotonic()

    async def _waited_s(self, logs: LogReader, stage: str, partition: int, end: int, now: float) -> float:
        """For how long the oldest record of a partition that is not applied has waited, seconds."""
        applied, since = self.board.applied(stage, partition), None
        if (stage, partition) not in self._waiting:
            self._waiting[stage, partition] = Waiting()
            if applied < end - 1:
                since = await _came_at(logs, STAGES[stage].name(self._settings), partition, applied + 1, end)
        return self._waiting[stage, partition].look(now, applied, end, since)


async def _came_at(logs: LogReader, topic: str, partition: int, start: int, end: int) -> float | None:
    """When the first record with start ≤ offset < end came, by the broker's clock, seconds since 1970."""
    async for record in logs.read(topic, partition, start, end):
        return float(record.timestamp) / 1000
    return None
