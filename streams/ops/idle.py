"""Waits until the stream stands still: every stage has applied all of its log, and nothing new came of that.

A verdict's effects go round once: ruling → claims → credits → sources → new stamps → claims. So one look at the end
offsets is not enough: the stream stands still when two looks agree and all was applied between them.

Patience is counted for each partition of a stage: progress of others is no sign that a stuck one will go on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

from streams.contract import topics
from streams.contract.settings import Settings, client_kwargs
from streams.engine.progress import ProgressBoard
from streams.kafka.topic_ids import TopicIds

# Name under which a stage reports progress → the topic that it reads, in the order of the path.
INPUTS: dict[str, topics.Topic] = {f"intake-{topic.base}": topic for topic in (topics.EVENTS, topics.RULINGS)}
STAGES: dict[str, topics.Topic] = {
    **INPUTS,
    **{topic.reader: topic for topic in topics.BETWEEN},
}
# Scores go on without this stage, so it is waited for only if one has reported.
OPTIONAL = "communities"
LOOK_S = 1.0
"""Seconds between reports of what is waited for."""
QUIET_S = 5.0
"""Seconds of standstill from which reports say how long a stage has done nothing."""
Ends = dict[str, dict[int, int]]
Behind = dict[tuple[str, int], int]
"""(Stage, partition) → records in its log that are not applied. Partitions without any are left out."""


class StalledError(RuntimeError):
    """A stage has work and does none of it. The message names it and says what to run."""


class Standstill:
    """Watches the stages of an installation; use it as an async context manager.

    Args:
        settings: with the broker filled in.
        stall_s: how long a partition of a stage may have work and do none of it, s; None: the setting `patience_ms`.
        on_wait: called every second with what is waited for, in words; not at all if the wait is shorter.
    """

    def __init__(
        self, settings: Settings, stall_s: float | None = None, on_wait: Callable[[str], None] = lambda what: None
    ) -> None:
        self._settings = settings
        self._stall_s = settings.patience_ms / 1000 if stall_s is None else stall_s
        self._on_wait = on_wait
        self.board = ProgressBoard(client_kwargs(settings), topics.PROGRESS.name(settings))
        self._topics = {stage: topic.name(settings) for stage, topic in STAGES.items()}
        self._topic_ids = TopicIds(settings)

    async def __aenter__(self) -> Self:
        await self.board.start(publish=False)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.board.stop()
        await self._topic_ids.close()

    async def ends(self) -> Ends:
        """Stage → partition → the offset up to which its log can be read now."""
        await self._made_anew()
        there = await self.board.partitions(self._topics.values())
        tps = {stage: [(name, p) for p in range(there.get(name, 0))] for stage, name in self._topics.items()}
        found = await self.board.ends(tp for each in tps.values() for tp in each)
        return {stage: {p: found[name, p] for name, p in each} for stage, each in tps.items()}

    async def _made_anew(self) -> bool:
        """Ask which incarnations of the topics there are, for only reports on them count. Whether one is new."""
        ids = await self._topic_ids.of(list(self._topics.values()))
        before = self.board.topic_ids
        self.board.topic_ids = {stage: ids.get(name, "") for stage, name in self._topics.items()}
        return self.board.topic_ids != before

    async def wait(self) -> Ends:
        """Wait until nothing is in flight. Returns the end offsets at which everything stands.

        Raises StalledError when a stage has work and does none of it for `stall_s`. Never returns while somebody keeps
        publishing.
        """
        ends = await self.ends()
        while True:
            await self._applied(ends)
            now = await self.ends()
            if now == ends:
                return now
            ends = now

    def lag(self, ends: Ends) -> dict[str, int]:
        """Stage → records that are in its log and not applied."""
        waited_for = [stage for stage in ends if stage != OPTIONAL or self.board.latest(stage)]
        return {**dict.fromkeys(waited_for, 0), **_by_stage(self._behind(ends))}

    def _behind(self, ends: Ends) -> Behind:
        return {
            (stage, p): end - 1 - applied
            for stage, offsets in ends.items()
            if stage != OPTIONAL or self.board.latest(stage)
            for p, end in offsets.items()
            if (applied := self.board.applied(stage, p)) < end - 1
        }

    async def _applied(self, ends: Ends) -> None:
        """Wait until every stage has applied its log up to these ends, or a topic was made anew."""
        moved: dict[tuple[str, int], tuple[int, float]] = {}  # records left, and since when so many
        told = time.monotonic()
        while behind := self._behind(ends):
            now = time.monotonic()
            for partition, left in behind.items():
                if moved.get(partition, (-1, 0.0))[0] != left:
                    moved[partition] = (left, now)
            quiet = {partition: now - moved[partition][1] for partition in behind}
            self._give_up(behind, quiet)
            if now - told >= LOOK_S:
                told = now
                self._on_wait(_in_words(behind, quiet))
                if await self._made_anew():
                    return
            await self.board.changed(LOOK_S)

    def _give_up(self, behind: Behind, quiet: Mapping[tuple[str, int], float]) -> None:
        """Raise StalledError if a partition has had work and done none of it for too long."""
        held = self._intake_is_held()
        late = [
            partition
            for partition, quiet_s in quiet.items()
            if quiet_s > self._stall_s and not (held and partition[0] in INPUTS)
        ]
        if not late:
            return
        stage = late[0][0]
        mine = [partition for partition in late if partition[0] == stage]
        records, quiet_s = sum(behind[partition] for partition in mine), max(quiet[partition] for partition in mine)
        seen = "" if self.board.latest(stage) else " It has never been seen."
        command = "communities" if stage == OPTIONAL else "worker"
        raise StalledError(
            f"stage {stage} makes no progress: {records:,} records wait in its log (partition "
            f"{', '.join(str(p) for _, p in mine)}), and for {quiet_s:.0f} s it has applied none of them.{seen} Start "
            f"it with `credence {command} --broker {self._settings.broker}`, or look at what the running one says"
        )

    def _intake_is_held(self) -> bool:
        """Whether intake pauses because a later stage lags. Then only that stage can be stalled."""
        bound = self._settings.max_stage_lag
        return any(
            progress.lag > bound
            for stage in STAGES
            if stage not in INPUTS
            for progress in self.board.latest(stage).values()
        )


def _by_stage(behind: Behind) -> dict[str, int]:
    return {stage: sum(left for (s, _), left in behind.items() if s == stage) for stage, _ in behind}


def _in_words(behind: Behind, quiet: Mapping[tuple[str, int], float]) -> str:
    """What is waited for: each stage with its records, and for how long it has done nothing if that is long."""
    said = []
    for stage, left in _by_stage(behind).items():
        quiet_s = max(quiet_s for (s, _), quiet_s in quiet.items() if s == stage)
        silent = f", none applied for {quiet_s:.0f} s" if quiet_s >= QUIET_S else ""
        said.append(f"{stage} ({left:,} records{silent})")
    return ", ".join(said)


async def wait_idle(settings: Settings, stall_s: float | None = None) -> Ends:
    """Wait until all stages have applied all that was published. Returns the end offsets. See `Standstill.wait`."""
    async with Standstill(settings, stall_s) as standstill:
        return await standstill.wait()
