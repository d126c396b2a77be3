"""A worker that cannot make progress ends itself, and says why.

Faust can stall without an error: when a broker restarts, the thread that fetches may die or wait for ever. The consumer
itself does not notice, so the ends of the logs are asked for over another connection.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

Positions = Mapping[Any, int]


class Watchdog:
    """Compares positions with the ends of the logs, every few seconds.

    Args:
        positions: next offset to apply, of every partition that this worker should be working on now.
        ends: next offset that the broker will write, of the same partitions.
        die: ends the process; called with the reason.
        stall_s: how long a partition with work may stand still, the broker may be silent, or the loop may be blocked.
    """

    def __init__(
        self,
        positions: Callable[[], Positions],
        ends: Callable[[Positions], Awaitable[Positions]],
        die: Callable[[str], None],
        stall_s: float,
    ) -> None:
        self._positions = positions
        self._ends = ends
        self._die = die
        self._stall_s = stall_s
        self._stood: dict[Any, tuple[int, float]] = {}
        self._longest_s = 0.0
        self._silent_since: float | None = None
        self._beat = time.monotonic()

    async def run(self) -> None:
        """Watch until cancelled. That the loop is not blocked is watched until the loop is closed: a worker that cannot
        stop ends too."""
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._watch_loop, args=(loop,), daemon=True, name="watchdog").start()
        while True:
            self._beat = time.monotonic()
            try:
                async with asyncio.timeout(self._stall_s / 4):
                    self.check(await self._ends(self._positions()), time.monotonic())
                self._silent_since = None
            except Exception as error:  # whatever the client raises, the broker did not answer
                self._silent_since = self._silent_since or time.monotonic()
                if time.monotonic() - self._silent_since > self._stall_s:
                    self._die(f"the broker has not answered for {self._stall_s:.0f} s: {error!r}")
            await asyncio.sleep(self._stall_s / 12)

    def check(self, ends: Positions, now_s: float) -> None:
        """Compare once; `now_s` is a monotonic clock."""
        positions = self._positions()
        longest_s = 0.0
        for tp, position in positions.items():
            since = self._stood.get(tp)
            if position >= ends.get(tp, 0) or since is None or since[0] != position:
                self._stood[tp] = (position, now_s)
                continue
            longest_s = max(longest_s, now_s - since[1])
            if now_s - since[1] > self._stall_s:
                self._die(f"{tp} stands at {position} of {ends[tp]} for {now_s - since[1]:.0f} s")
        for tp in self._stood.keys() - positions.keys():
            del self._stood[tp]
        self._longest_s = longest_s

    def stalled_s(self) -> float:
        """For how long something has stood still: a partition with work, the broker, or this loop. From any thread."""
        now_s, looks_s = time.monotonic(), self._stall_s / 3  # a look and the pause after it take less
        blocked_s = now_s - self._beat
        silent_s = 0.0 if self._silent_since is None else now_s - self._silent_since
        return max(self._longest_s, silent_s, blocked_s if blocked_s > looks_s else 0.0)

    def _watch_loop(self, loop: asyncio.AbstractEventLoop) -> None:
        while not loop.is_closed():
            time.sleep(self._stall_s / 12)
            if not loop.is_closed() and time.monotonic() - self._beat > 2 * self._stall_s:
                self._die(f"the event loop has been blocked for {2 * self._stall_s:.0f} s")


async def end_if_stopped(session_s: float, die: Callable[[str], None], every_s: float = 0.25) -> None:
    """End this process if all of it stood still for longer than a session: others own its work now.

    It is a task of its own that only sleeps, so that waits for Kafka do not count.
    """
    while True:
        before = time.monotonic()
        await asyncio.sleep(every_s)
        if (stood_s := time.monotonic() - before) > session_s:
            die(f"stood still for {stood_s:.0f} s, longer than a session: the partitions have another owner")


async def without_end(work: Coroutine[Any, Any, None], die: Callable[[str], None]) -> None:
    """Work beside the stages that goes on until it is cancelled. Ends the process if it fails: without its ticks or its
    watchdog a worker looks well and is not."""
    try:
        await work
    except Exception as error:
        die(f"{getattr(work, '__qualname__', 'work')} failed: {error!r}")
