"""Explanations of claims at a bounded cost: each reads the whole state of a partition, seconds where it is large.

One partition is read at a time, in a thread, so that plain answers do not wait for it. Who asks for the same claim
meanwhile waits for the same reading; what was read is kept for a while; and a queue that is full says so at once.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from typing import Any

from streams.contract.settings import Settings
from streams.ops.explanation import explanation

KEPT = 256
# A score record is published when score or risk has moved by the materiality; what moved less may be this old.
FRESH_S = 30.0
QUEUE_MAX = 8

Read = Callable[[Settings, str], Coroutine[Any, Any, dict[str, Any] | None]]


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
