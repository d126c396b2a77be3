"""Fetching that waits on the broker instead of asking again and again.

A fetch stays on the broker until something comes. That is only right where it asks for everything: a partition that is
left out waits until it returns. So partitions are asked for also while a batch of theirs is being worked on, and what
comes meanwhile is kept here, up to a bound, to be one batch later.

Topics that are asked for at different paces have lanes of their own: a connection each, since a broker answers what
comes over one connection in turn. A lane's first records after a while come at once; those that follow close behind
wait for each other, so that they are one fetch, and one batch of every partition, instead of many.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from aiokafka.client import ConnectionGroup
from aiokafka.consumer.fetcher import Fetcher, FetchResult

from streams.engine.fetched import Fetch, take

WAIT_MS = 500
SHORT_WAIT_MS = 50
"""How long a fetch waits that does not ask for all partitions of its lane. Of those left out AHEAD_BYTES are kept: who
wants them has something to do meanwhile."""
AHEAD_BYTES = 4 << 20
"""What is kept of a partition while its former batch is being worked on; beyond it, it is asked for no more."""
_LANES = max(ConnectionGroup) + 1  # aiokafka's numbers of connections; ours follow


class Lane(NamedTuple):
    """Where a fetch goes: a broker, and how many seconds lie between two fetches that bring something."""

    node: int
    pace_s: float


class _Connections:
    """aiokafka's client, with a connection a lane."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._numbers: dict[float, int] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def send(self, to: int | Lane, request: Any) -> Any:
        if isinstance(to, Lane):
            number = self._numbers.setdefault(to.pace_s, _LANES + len(self._numbers))
            return await self._client.send(to.node, request, group=number)
        return await self._client.send(to, request)


class LaneFetcher(Fetcher):  # type: ignore[misc]
    """aiokafka's fetcher, which has one fetch a lane under way instead of one a broker."""

    _pace_of: Callable[[str], float]
    _due_s: dict[Lane, float]

    @classmethod
    def take_over(cls, fetcher: Any, pace_of: Callable[[str], float]) -> None:
        """Make a fetcher that a consumer has just started one of these.

        Args:
            pace_of: topic → seconds between two fetches of it that bring something.
        """
        fetcher.__class__ = cls
        fetcher._client = _Connections(fetcher._client)
        fetcher._pace_of = pace_of
        fetcher._due_s = {}

    def _select_read_replica(self, tp: Any) -> Any:
        """Where a partition is fetched: what aiokafka takes for the broker is the lane."""
        node = super()._select_read_replica(tp)
        return node if node in (None, -1) else Lane(node, self._pace_of(tp.topic))

    async def _proc_fetch_request(self, assignment: Any, lane: Lane, request: Any) -> bool:
        # Woken when a fetch returns, aiokafka may still take it for one under way, and send none until its time-out. So
        # it is woken again after.
        if (task := asyncio.current_task()) is not None:
            task.add_done_callback(lambda _: self._notify(self._wait_consume_future))
        try:
            await asyncio.sleep(self._due_s.get(lane, 0.0) - time.monotonic())
            asked = sum(len(partitions) for _, partitions in request.topics)
            if asked < sum(self._select_read_replica(tp) == lane for tp in assignment.tps):
                request._max_wait_ms = SHORT_WAIT_MS
            brought: bool = await super()._proc_fetch_request(assignment, lane, request)
            if brought:
                self._due_s[lane] = time.monotonic() + lane.pace_s
            return brought
        except asyncio.CancelledError:  # the assignment has ended, or the consumer
            return False


class Ahead:
    """What was fetched of each partition and not yet handed out; to be used in the loop of the consumer."""

    def __init__(self) -> None:
        self._fetches: dict[Any, list[Fetch]] = {}
        self._assignments: dict[Any, Any] = {}

    def __contains__(self, tp: Any) -> bool:
        return tp in self._fetches

    async def drain(self, fetcher: Any) -> None:
        """Take over what the fetcher holds, so that it sends its next fetch; raises what the fetcher met with."""
        for result in fetcher._records.values():
            if isinstance(result, FetchResult):
                result.getall = self._getall(result)
        await fetcher.fetched_records((), timeout=0)

    def _getall(self, result: FetchResult) -> Callable[[Any], list[Fetch]]:
        def getall(max_records: Any) -> list[Fetch]:
            fetch = take(result)
            if fetch is not None:
                self._keep(result._topic_partition, result._assignment, fetch)
            return []

        return getall

    def _keep(self, tp: Any, assignment: Any, fetch: Fetch) -> None:
        kept = self._fetches.get(tp, [])
        if kept and (self._assignments[tp] is not assignment or kept[-1].offset + 1 != fetch.position):
            kept = []  # of another time: the partition was placed anew since
        self._fetches[tp], self._assignments[tp] = [*kept, fetch], assignment
        if sum(len(each.data) for each in self._fetches[tp]) >= AHEAD_BYTES:
            assignment.state_value(tp).pause()

    def hand_out(self, wanted: Iterable[Any]) -> dict[Any, list[Fetch]]:
        """What there is of these partitions; of those that were placed elsewhere since, nothing."""
        found = {}
        for tp in [tp for tp in wanted if tp in self._fetches]:
            fetches, assignment = self._fetches.pop(tp), self._assignments.pop(tp)
            if not assignment.active:
                continue
            state = assignment.state_value(tp)
            if state.paused:
                state.resume()
            if state.position == fetches[-1].offset + 1:
                found[tp] = fetches
        return found
