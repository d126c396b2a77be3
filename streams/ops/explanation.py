"""Why a claim scores as it does, and what was ruled on it, from the state of the claims stage itself.

Score records have figures only, so that they stay small. Reasons are made on demand from the changelog of the claim's
partition, which is read as a worker would recover it. No worker is asked or disturbed.

Such a reading takes seconds where a partition is large. So `Explainer` bounds what a service spends on it. It reads one
partition at a time, in a thread, so that other answers do not wait. Who asks for the same claim meanwhile waits for the
same reading. What was read is kept for a while. When too many wait, it says so at once.

Reasons and their words are made in `scoring.claims.explain`; how records are told to a person is `contract.wording`.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from streams.contract.settings import Settings, client_kwargs
from streams.contract.topics import ALL, partition_of
from streams.kafka.log_reader import LogReader
from streams.kafka.provision import internal_count

if TYPE_CHECKING:
    from streams.scoring.claims.claims_state import ClaimsState

KEPT = 256
# A score record is published when score or risk has moved by the materiality; what moved less may be this old.
FRESH_S = 30.0
QUEUE_MAX = 8

Read = Callable[[Settings, str], Coroutine[Any, Any, dict[str, Any] | None]]


async def explanation(settings: Settings, claim_id: str) -> dict[str, Any] | None:
    """The claim's explanation, as `ClaimsState.explain` makes it; None if the stage does not hold the claim.

    Reads the state of a whole partition, which takes seconds with millions of participants.
    """
    state = await _state_of(settings, claim_id)
    try:
        return None if state is None else state.explain(claim_id)
    except KeyError:
        return None


async def rulings(settings: Settings, claim_id: str) -> list[dict[str, Any]]:
    """What was ruled on a claim, as `ClaimsState.told` has it. Reads as much as `explanation`."""
    state = await _state_of(settings, claim_id)
    return [] if state is None else state.told(claim_id)


async def _state_of(settings: Settings, claim_id: str) -> ClaimsState | None:
    """The state of the claim's partition; None where there are no topics yet."""
    # Not before somebody asks why: a core's compiler takes a second and 90 MB.
    from streams.engine.audit import recovered
    from streams.scoring.claims.claims_state import ClaimsState
    from streams.worker.stages import stage_specs

    spec = stage_specs(settings)["claims"]
    async with LogReader(client_kwargs(settings)) as logs:
        there = await logs.partitions(topic.name(settings) for topic in ALL)
        if spec.changelog_topic not in there:
            return None
        count = internal_count(there, settings)
        partition = partition_of(claim_id, count)
        _, end = (await logs.bounds(spec.changelog_topic, count))[partition]
        core = (await recovered(logs, spec, partition, end)).core
    assert isinstance(core, ClaimsState)
    return core


class BusyError(Exception):
    """As many explanations are being made as may wait; ask again."""


class Explainer:
    """Explains claims for one service.

    Args:
        settings: with the broker filled in.
        read: makes one explanation; None for a claim that the claims stage does not hold.
    """

    def __init__(self, settings: Settings, read: Read = explanation) -> None:
        self._settings = settings
        self._read = read
        self._kept: OrderedDict[str, tuple[int, float, dict[str, Any]]] = OrderedDict()
        self._making: dict[tuple[str, int], asyncio.Task[dict[str, Any] | None]] = {}
        self._one_at_a_time = asyncio.Semaphore(1)

    async def of(self, claim_id: str, version: int) -> dict[str, Any] | None:
        """The explanation of a claim whose newest published score has this version; None if the stage holds none.

        Raises BusyError when the queue is full.
        """
        if (kept := self._kept.get(claim_id)) and kept[0] == version and time.monotonic() - kept[1] < FRESH_S:
            self._kept.move_to_end(claim_id)
            return kept[2]
        wanted = (claim_id, version)
        if (making := self._making.get(wanted)) is None:
            if len(self._making) >= QUEUE_MAX:
                raise BusyError
            making = self._making[wanted] = asyncio.create_task(self._make(claim_id, version))
            making.add_done_callback(lambda _: self._making.pop(wanted))
        # Shielded: a client that hangs up must not end the reading that others wait for.
        return await asyncio.shield(making)

    async def _make(self, claim_id: str, version: int) -> dict[str, Any] | None:
        async with self._one_at_a_time:
            found = await asyncio.to_thread(lambda: asyncio.run(self._read(self._settings, claim_id)))
        if found is not None:
            self._kept[claim_id] = (version, time.monotonic(), found)
            self._kept.move_to_end(claim_id)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return found
