"""Waiting until the stream stands still: every stage has applied all that is in its log, and nothing new came of it.

A verdict's effects go round once: ruling → claims → credits → sources → new stamps → claims. One round of end offsets
and waits cannot see that; two equal rounds of end offsets with all of it applied in between can.
"""

from __future__ import annotations

from types import TracebackType
from typing import Self

from streams import topics
from streams.engine.progress import ProgressBoard
from streams.settings import Settings, client_kwargs

# Stage as it reports its progress → the topic that it reads, in the order of the path.
STAGES: dict[str, topics.Topic] = {
    f"intake-{topics.EVENTS.base}": topics.EVENTS,
    f"intake-{topics.RULINGS.base}": topics.RULINGS,
    "sources": topics.BY_SOURCE,
    "claims": topics.BY_CLAIM,
    "parameters": topics.LESSONS,
    "communities": topics.PARTICIPATION,
}
# Scores go on without it: it is waited for only where one has been seen.
OPTIONAL = "communities"
STALL_S = 60.0
Ends = dict[str, dict[int, int]]


class StalledError(RuntimeError):
    """No worker makes progress. The message says what to run."""


class Standstill:
    """Watches the stages of an installation; use it as an async context manager.

    Args:
        settings: with the broker filled in.
        stall_s: how long nothing at all may move before StalledError is raised.
    """

    def __init__(self, settings: Settings, stall_s: float = STALL_S) -> None:
        self._settings = settings
        self._stall_s = stall_s
        self.board = ProgressBoard(client_kwargs(settings), topics.PROGRESS.name(settings))
        self._topics = {stage: topic.name(settings) for stage, topic in STAGES.items()}

    async def __aenter__(self) -> Self:
        await self.board.start(publish=False)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.board.stop()

    async def ends(self) -> Ends:
        """Stage → partition → end offset of its log, as far as it can be read; of the partitions that are there now."""
        there = await self.board.partitions(self._topics.values())
        tps = {stage: [(name, p) for p in range(there.get(name, 0))] for stage, name in self._topics.items()}
        found = await self.board.ends(tp for each in tps.values() for tp in each)
        return {stage: {p: found[name, p] for name, p in each} for stage, each in tps.items()}

    async def wait(self) -> Ends:
        """Wait until nothing is in flight; the end offsets at which everything stands.

        Raises StalledError when nothing moves for `stall_s`. Never returns while somebody keeps publishing.
        """
        ends = await self.ends()
        while True:
            for stage, offsets in ends.items():
                if stage != OPTIONAL or self.board.latest(stage):
                    await self._applied(stage, offsets)
            now = await self.ends()
            if now == ends:
                return now
            ends = now

    def lag(self, ends: Ends) -> dict[str, int]:
        """Stage → records that are in its log and not applied."""
        return {
            stage: sum(max(0, end - 1 - self.board.applied(stage, p)) for p, end in offsets.items())
            for stage, offsets in ends.items()
            if stage != OPTIONAL or self.board.latest(stage)
        }

    async def _applied(self, stage: str, ends: dict[int, int]) -> None:
        wanted = {partition: end - 1 for partition, end in ends.items()}
        if all(self.board.applied(stage, partition) >= offset for partition, offset in wanted.items()):
            return
        while True:
            before = self._moved()
            try:
                return await self.board.wait_applied(stage, wanted, self._stall_s)
            except TimeoutError as error:
                if self._moved() == before:
                    raise StalledError(
                        f"no worker makes progress: {error}. Start one with `credence worker --broker "
                        f"{self._settings.broker}`, or look at what the running one says"
                    ) from None

    def _moved(self) -> list[dict[int, int]]:
        return [{p: report.applied for p, report in self.board.latest(stage).items()} for stage in self._topics]


async def wait_idle(settings: Settings, stall_s: float = STALL_S) -> Ends:
    """Wait until all stages have applied everything that was published; the end offsets. See `Standstill.wait`."""
    async with Standstill(settings, stall_s) as standstill:
        return await standstill.wait()
