"""Who is about to write. What is due waits for them a moment, so that one request carries what belongs together.

The partitions of a stage get their batches at the same time, and one thread works on them one after the other. Without
this each of them would write by itself, the next stage would fetch each by itself, and so on: three times the requests,
twice the steps of the stage after.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Iterable
from contextlib import suppress

PATIENCE_S = 0.01
"""How long to wait at most, while the thread has nothing else to do."""


class Company:
    """Batches that were handed out and have not led to anything written yet."""

    def __init__(self) -> None:
        self._expected: set[Hashable] = set()
        self._complete = asyncio.Event()
        self._complete.set()

    def expect(self, batches: Iterable[Hashable]) -> None:
        """These are handed out together."""
        self._expected.update(batches)
        if self._expected:
            self._complete.clear()

    def came(self, batch: Hashable) -> None:
        """A batch writes now, or will take longer than is worth waiting for, or is done."""
        self._expected.discard(batch)
        if not self._expected:
            self._complete.set()

    def forget(self) -> None:
        """Nobody is expected any more."""
        self._expected.clear()
        self._complete.set()

    async def wait(self) -> None:
        """Wait until all have come, PATIENCE_S at most."""
        if not self._complete.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE_S):
                    await self._complete.wait()
