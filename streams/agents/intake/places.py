"""How far the intake has come in each input partition, and what was deleted before it got there.

The place is what was last reported on the progress topic, under the topic's id: all before it is on the next stage's
topic. A report for another incarnation of the topic counts as none, so a new log is read from its beginning. (The
group's committed offsets carry no id; they are for Kafka's own tools.)
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import suppress

from faust.types import TP

from streams.agents.publish import monitor
from streams.engine.progress import Cut, ProgressBoard
from streams.kafka.admin import TopicsError
from streams.kafka.identity import Identity

log = logging.getLogger(__name__)

LOOK_S = 1.0
"""How often the beginnings of the input logs are asked for."""
OWNED_LOOKS = 5
"""Every so many looks, also at who owns their partitions."""
LOOKS = 3
"""A place that lies before the beginning of its log and has not moved for so many looks was cut: till then what was
fetched of it before may be on its way."""


class Places:
    """The places of one worker.

    Args:
        board: where they are reported, and cuts.
        identity: of the input topics.
        stages: input topic → name under which its intake reports.
    """

    def __init__(self, board: ProgressBoard, identity: Identity, stages: Mapping[str, str]) -> None:
        self._board, self._identity, self._stages = board, identity, stages
        self._next: dict[TP, int] = {}
        self._stood: dict[TP, tuple[int, int]] = {}  # place, and for how many looks it has been the same

    def next(self, tp: TP) -> int:
        """Offset to read next; 0 if nothing was ever read."""
        return self._next.get(tp, 0)

    def begin(self, tps: Collection[TP]) -> dict[TP, int]:
        """Where to go on with partitions that were just assigned: an earlier owner may have come further, or less."""
        self._next.clear()
        self._stood.clear()
        for tp in tps:
            report = self._board.report(self._stages[tp.topic], tp.partition)
            if report is not None:
                same = report.topic_id == self._identity.of(tp.topic)
                self._next[tp] = report.applied + 1 if same else 0
        return {tp: self.next(tp) for tp in tps}

    async def arrived(self, tp: TP, position: int) -> None:
        """Note what is missing between the place and the offset that a fetch begins at.

        Where nothing was ever read, nothing is missing: a log that is older than the installation is read from where
        it begins.
        """
        place = self._next.get(tp)
        if place is not None and place < position:
            begins = await self._board.begins([tp])
            await self._cut(tp, place, min(position, begins[tp]))
        self._next[tp] = max(self.next(tp), position)

    def taken(self, tp: TP, offset: int) -> None:
        """All up to this offset is on the next stage's topic."""
        self._next[tp] = offset + 1

    async def look(self, tps: Collection[TP]) -> list[TP]:
        """Note what was deleted of logs of which nothing comes; the partitions whose place has moved by that."""
        moved = []
        for (topic, partition), begin in (await self._board.begins(tps)).items():
            tp = TP(topic, partition)
            if begin > self.next(tp) and self._stands(tp):
                await self._cut(tp, self._next.get(tp, begin), begin)
                self._next[tp] = max(self.next(tp), begin)
                moved.append(tp)
        return moved

    def _stands(self, tp: TP) -> bool:
        """Whether the place has been the same for some looks; call once a look."""
        place, looks = self._stood.get(tp, (-1, 0))
        looks = looks + 1 if place == self.next(tp) else 0
        self._stood[tp] = (self.next(tp), looks)
        return looks >= LOOKS

    async def _cut(self, tp: TP, first: int, until: int) -> None:
        if first >= until:
            return  # what lies between held no records, or none for us
        cut = Cut(tp.topic, self._identity.of(tp.topic), tp.partition, first, until)
        log.error("%s were deleted before they were read: their events are missing from every score", cut)
        await self._board.publish_cut(cut)
        monitor.cut(self._stages[tp.topic], until - first)


async def watch(
    identity: Identity,
    places: Places,
    waiting: Callable[[], Collection[TP]],
    look_after: Callable[[], Awaitable[None]],
) -> AsyncIterator[TP]:
    """Look at the topics without end; yields partitions whose place has moved because their input was cut.

    Args:
        waiting: input partitions of which nothing is at work.
        look_after: sees that every partition belongs to somebody; called every few looks.
    """
    for look in itertools.count(1):
        await asyncio.sleep(LOOK_S)
        await identity.check()
        if look % OWNED_LOOKS == 0:
            await look_after()
        with suppress(TopicsError):  # the watchdog ends a worker whose broker stays away
            for tp in await places.look([tp for tp in waiting() if not identity.gone(tp.topic)]):
                yield tp
