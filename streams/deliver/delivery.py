"""Delivers one flag record: what it asks for at a target, the requests, and what is remembered of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from streams.contract import metrics
from streams.contract.delivery_record import Delivery
from streams.contract.words import DeliveryState, FlagAction
from streams.deliver.target import Flag, Outcome, Request, Step, Target, UnfitError
from streams.deliver.tries import InterruptedDeliveryError, Tries

log = logging.getLogger(__name__)

Remember = Callable[[str, Delivery | None], Awaitable[None]]
"""Makes durable what is known of a flag from now on; None forgets it."""


class _RefusedError(Exception):
    """The target will not have a request."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which flags a target gets.

    Attributes:
        min_priority: least priority at which a flag is raised there.
        labels: labels that it gets; empty: all.
    """

    min_priority: int = 0
    labels: tuple[str, ...] = ()

    def __call__(self, flag: Flag) -> bool:
        """Whether a flag that the target does not have is raised there: also not one that has lapsed meanwhile."""
        return (
            flag["priority"] >= self.min_priority
            and (not self.labels or flag["label"] in self.labels)
            and not flag.get("shadow")
            and (flag.get("expires_at_ms") or _now_ms() + 1) > _now_ms()
        )


def step_of(flag: Flag, known: Delivery | None, wanted: bool) -> Step | None:
    """What a flag record asks for at a target, by what is known of the flag there; None where there is nothing to do.

    The same record twice asks for nothing, unless nobody knows how its delivery ended. A flag that was never raised at
    the target is not updated or taken back there.
    """
    state = None if known is None else known.state
    if known is not None and (flag["revision"], state == DeliveryState.IN_DOUBT) <= (known.revision, False):
        return None
    if flag["action"] == FlagAction.RETRACT:
        there = known is not None and (known.accepted or state == DeliveryState.IN_DOUBT)
        return Step.TAKE_BACK if there and state != DeliveryState.TAKEN_BACK else None
    if state == DeliveryState.STANDING:
        return Step.UPDATE
    return Step.RAISE if wanted else None


class Delivering:
    """Delivers flag records to one target.

    Args:
        target: in whose words.
        tries: how requests reach it.
        wanted: which flags it gets.
        name: under which its deliveries are remembered.
    """

    def __init__(self, target: Target, tries: Tries, wanted: Wanted, name: str) -> None:
        self.target = target
        self.tries = tries
        self._wanted = wanted
        self._name = name

    async def deliver(self, flag: Flag, known: Delivery | None, remember: Remember) -> None:
        """Bring a flag record to the target, and remember what became of it.

        Raises InterruptedDeliveryError when it was told to stop before there was an answer.
        """
        step = step_of(flag, known, self._wanted(flag))
        if step is None:
            metrics.DELIVERIES.at(self.target.NAME, "skipped").inc()
            return
        done = await _Course(self, flag, step, known, remember).run()
        await remember(done.flag_id, done)
        metrics.DELIVERIES.at(self.target.NAME, done.state).inc()
        if done.detail:
            log.warning("%s: flag %s is %s: %s", self._name, flag["flag_id"], done.state, done.detail)
        elif step == Step.RAISE:
            delay_s = max(0.0, time.time() - flag["detected_at_ms"] / 1000)
            metrics.DELIVERY_DELAY.at(self.target.NAME).observe(delay_s)

    def begun(self, flag: Flag, known: Delivery | None) -> Delivery:
        """What is known of a flag when the delivery of this record begins."""
        if known is not None:
            return replace(known, revision=flag["revision"], at_ms=_now_ms(), detail=None)
        return Delivery(
            v=1, target=self._name, flag_id=flag["flag_id"], revision=flag["revision"], claim_id=flag["subject"]["id"],
            state=DeliveryState.STANDING, accepted=0, at_ms=_now_ms(),
        )  # fmt: skip


@dataclass
class _Course:
    """The course of one delivery."""

    by: Delivering
    flag: Flag
    step: Step
    known: Delivery | None
    remember: Remember
    doubt: str = ""

    async def run(self) -> Delivery:
        done = self.by.begun(self.flag, self.known)
        try:
            seen = await self._seen(done.remote_id or "")
            for request in await self._requests(done, seen):
                answer = await (self._once(request, done, seen) if request.counts_twice else self._repeatable(request))
                if answer is not None:
                    done = replace(done, accepted=done.accepted + 1, remote_id=answer or done.remote_id)
        except (UnfitError, _RefusedError) as error:
            return replace(done, state=DeliveryState.REFUSED, detail=str(error))
        if self.doubt:
            return replace(done, state=DeliveryState.IN_DOUBT, detail=self.doubt)
        over = self.step == Step.TAKE_BACK
        return replace(done, state=DeliveryState.TAKEN_BACK if over else DeliveryState.STANDING)

    async def _seen(self, remote_id: str) -> Any:
        if (asked := self.by.target.look_up(self.flag, self.step, remote_id)) is None:
            return None
        answer = await self.by.tries.answer(asked)
        if answer.outcome == Outcome.REFUSED:
            raise _RefusedError(f"the claim's first post is not found there: {answer.detail}")
        return answer.body

    async def _requests(self, done: Delivery, seen: Any) -> list[Request]:
        """The requests of this step. What is to be taken back may have to be found first."""
        remote_id = done.remote_id or ""
        if self.step == Step.TAKE_BACK and self._doubted() and (asked := self.by.target.search(self.flag, seen)):
            remote_id = await self._asked(asked, done.at_ms) or ""
        return list(self.by.target.requests(self.flag, self.step, seen, remote_id))

    def _doubted(self) -> bool:
        return self.known is not None and self.known.state == DeliveryState.IN_DOUBT

    async def _repeatable(self, request: Request) -> str:
        """Send a request that may arrive twice; returns what the target calls what it took."""
        answer = await self.by.tries.answer(request)
        if answer.outcome == Outcome.REFUSED:
            # Who no longer has it needs not be told that it is taken back.
            if self.step == Step.TAKE_BACK and answer.gone:
                return ""
            raise _RefusedError(answer.detail)
        return answer.remote_id

    async def _once(self, request: Request, done: Delivery, seen: Any) -> str | None:
        """Send a request that must not arrive twice; None where nobody can tell whether it has arrived.

        It is noted before it is sent. If no answer is read, then or before a crash, the target is asked.
        """
        sent_ms = self.known.at_ms if self.known is not None and self._doubted() else None
        noted = replace(done, state=DeliveryState.IN_DOUBT, detail="it was sent, and no answer was read")

        async def note(sending: bool) -> None:
            # What a try left undone is forgotten, so that a crash while we wait leaves no doubt.
            await self.remember(done.flag_id, replace(noted, at_ms=_now_ms()) if sending else self.known)

        while True:
            if sent_ms is not None:
                asked = self.by.target.search(self.flag, seen)
                there = None if asked is None else await self._asked(asked, sent_ms)
                if there is None:
                    self.doubt = "it was sent, no answer was read, and the target cannot be asked whether it arrived"
                    return None
                if there:
                    return there
            answer = await self.by.tries.answer(request, note)
            if answer.outcome == Outcome.REFUSED:
                raise _RefusedError(answer.detail)
            if answer.outcome == Outcome.ACCEPTED:
                return answer.remote_id
            sent_ms = _now_ms()

    async def _asked(self, asked: Request, sent_ms: int) -> str | None:
        """What the target calls the flag, "" if it has none, None if it does not say."""
        # It may act on what was sent some time after we stopped listening.
        tries = self.by.tries
        await tries.pause(max(0.0, sent_ms / 1000 + tries.patience.settle_s - time.time()))
        if tries.interrupted.is_set():
            raise InterruptedDeliveryError
        answer = await tries.answer(asked)
        return None if answer.outcome == Outcome.REFUSED else self.by.target.found(self.flag, answer.body)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
