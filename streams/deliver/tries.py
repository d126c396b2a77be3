"""Tries a request until the target has answered it: with waits that grow, of a length that chance shortens."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from streams.deliver.courier import Courier
from streams.deliver.target import Answer, Outcome, Request

log = logging.getLogger(__name__)


class InterruptedDeliveryError(Exception):
    """The process ends, or gives its partitions away, before the target has answered."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How often is tried again.

    Attributes:
        first_s: longest wait before the second try; it doubles from try to try.
        longest_s: longest wait of all, unless the target asks for more.
        give_up_s: a flag at which the target fails for so long is put aside. A target that is away is waited for.
        settle_s: how long a target may still act on a request whose answer was not read.
    """

    first_s: float = 1.0
    longest_s: float = 60.0
    give_up_s: float = 3_600.0
    settle_s: float = 30.0

    def wait_s(self, tries: int) -> float:
        """Seconds before the next try: by chance a part of a wait that doubles, so that not all come at once."""
        return random.uniform(0.1, 1.0) * min(self.longest_s, self.first_s * 2.0 ** min(tries - 1, 30))


class Tries:
    """The tries at one target.

    Args:
        courier: what carries a request.
        patience: between tries.
        name: of the target, for the log.

    Attributes:
        interrupted: set when no further try is to be made.
        trouble: what keeps flags waiting, and since when in monotonic seconds; None where nothing does.
    """

    def __init__(self, courier: Courier, patience: Patience, name: str) -> None:
        self._courier = courier
        self.patience = patience
        self._name = name
        self.interrupted = asyncio.Event()
        self.trouble: tuple[str, float] | None = None

    async def answer(self, request: Request, around: Callable[[bool], Awaitable[None]] | None = None) -> Answer:
        """The target's answer, ACCEPTED or REFUSED, however many tries it takes.

        Where a repeat would count, UNKNOWN is an answer too.

        Args:
            request: what is sent.
            around: called with True before each try, and with False after one on which the target did not act.

        Raises InterruptedDeliveryError when it was told to stop.
        """
        began, tries = time.monotonic(), 0
        while not self.interrupted.is_set():
            if around is not None:
                await around(True)
            answer = await self._courier.carry(request)
            tries += 1
            if answer.outcome in (Outcome.ACCEPTED, Outcome.REFUSED):
                self.trouble = None
                return answer
            if answer.outcome == Outcome.UNKNOWN and request.counts_twice:
                return answer
            if around is not None:
                await around(False)
            failing_s = time.monotonic() - began
            if failing_s > self.patience.give_up_s and answer.outcome != Outcome.DENIED and not answer.away:
                return Answer(Outcome.REFUSED, f"given up after {tries} tries in {failing_s:.0f} s: {answer.detail}")
            if self.trouble is None:
                self.trouble = (answer.detail, time.monotonic())
                log.warning("%s: %s; trying again", self._name, answer.detail)
            await self.pause(max(self.patience.wait_s(tries), answer.retry_after_s or 0.0))
        raise InterruptedDeliveryError

    async def pause(self, seconds: float) -> None:
        """Wait so long, or until interrupted."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.interrupted.wait()
