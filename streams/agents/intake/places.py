"""How far the intake has come in each input partition, and what was deleted before it got there.

A place is an offset: all before it is on the next stage's topic. It is what was last reported on the progress topic,
under the input topic's id. A report about another incarnation does not count, so a new log is read from its beginning.
(The group's committed offsets carry no id; they serve Kafka's own tools.)
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
"""Seconds between looks at the beginnings of the input logs."""
OWNED_LOOKS = 5
"""After so many looks, ownership of the partitions is looked at, too."""
LOOKS = 3
"""Looks until a place that lies before the beginning of its log, and does not move, counts as cut. Till then records
fetched earlier may still be on their way."""


class Places:
    """The places of one worker.

    Args:
        board: where places and cuts are reported.
        identity: of the input topics.
        stages: input topic → name under which its intake reports.
    """

    def __init__(self, board: ProgressBoard, identity: Identity, stages: Mapping[str, str]) -> None:
        self._board, self._identity, self._stages = board, identity, stages
        self._next: dict[TP, int] = {}
        self._stood: dict[TP, tuple[int, int]] = {}  # its place, and for how many looks that has been the same

    def next(self, tp: TP) -> int:
        """Offset to read next; 0 if nothing was ever read."""
        return self._next.get(tp, 0)

    def begin(self, tps: Collection[TP]) -> dict[TP, int]:
        """Where to go on with partitions just assigned. An earlier owner may have come further, or less far."""
        self._next.clear()
        self._stood.clear()
        for tp in tps:
            report = self._board.report(self._stages[tp.topic], tp.partition)
            if report is not None:
                same = report.topic_id == self._identity.of(tp.topic)
                self._next[tp] = report.applied + 1 if same else 0
        return {tp: self.next(tp) for tp in tps}

    async def arrived(self, tp: TP, position: int) -> None:
        """Note what is missing between the place and the first offset of a fetch.

        Nothing is missing if nothing was ever read: a log older than the installation is read from where it begins.
        """
        place = self._next.get(tp)
        if place is not None and place < position:
            begins = await self._board.begins([tp])
            await self._cut(tp, place, min(position, begins[tp]))
        self._next[tp] = max(self.next(tp), position)

    def taken(self, tp: TP, offset: int) -> None:
        """Note that all up to this offset is on the next stage's topic."""
        self._next[tp] = offset + 1

    async def look(self, tps: Collection[TP]) -> list[TP]:
        """Note cuts in logs of which no record comes. Returns the partitions whose places have moved past a cut."""
        moved = []
        for (topic, partition), begin in (await self._board.begins(tps)).items():
            tp = TP(topic, partition)
            if begin > self.next(tp) and self._stands(tp):
                await self._cut(tp, self._next.get(tp, begin), begin)
                self._next[tp] = max(self.next(tp), begin)
                moved.append(tp)
        return moved

    def _stands(self, tp: TP) -> bool:
        """Whether the place has been the same for LOOKS looks. Call once a look."""
        place, looks = self._stood.get(tp, (-1, 0))
        looks = looks + 1 if place == self.next(tp) else 0
        self._stood[tp] = (self.next(tp), looks)
        return looks >= LOOKS

    async def _cut(self, tp: TP, first: int, until: int) -> None:
        if first >= until:
            return  # the offsets between held no records, or none for us
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
        waiting: input partitions of which no batch is being worked on.
        look_after: makes sure that every partition has an owner; called every OWNED_LOOKS looks.
    """
    for look in itertools.count(1):
        await asyncio.sleep(LOOK_S)
        await identity.check()
        if look % OWNED_LOOKS == 0:
            await look_after()
        with suppress(TopicsError):  # the watchdog ends a worker whose broker stays away
            for tp in await places.look([tp for tp in waiting() if not identity.gone(tp.topic)]):
                yield tp
