"""Explanations by the query service: exact and in words, and at a bounded cost."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from streams.contract.settings import Settings
from streams.ops import explanation
from streams.ops.explanation import BusyError, Explainer

SETTINGS = Settings(broker="none:1")


class Reading:
    """Stands for the reading of a partition: counts, and goes on when it is let."""

    def __init__(self) -> None:
        self.read: list[str] = []
        self.at_once = self.most_at_once = 0
        self.may_end = threading.Event()

    async def __call__(self, settings: Settings, claim_id: str) -> dict[str, Any] | None:
        self.read.append(claim_id)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.to_thread(self.may_end.wait, 10)
        self.at_once -= 1
        return None if claim_id == "gone" else {"claim_id": claim_id, "reading": len(self.read)}


async def test_who_asks_for_the_same_claim_waits_for_one_reading_and_partitions_are_read_one_at_a_time() -> None:
    reading = Reading()
    explainer = Explainer(SETTINGS, reading)
    asked = [asyncio.create_task(explainer.of(id_, 1)) for id_ in ("a", "b", "a", "c", "a")]
    await asyncio.sleep(0.05)
    reading.may_end.set()
    found = await asyncio.gather(*asked)
    assert [each and each["claim_id"] for each in found] == ["a", "b", "a", "c", "a"]
    assert (sorted(reading.read), reading.most_at_once) == (["a", "b", "c"], 1)


async def test_what_was_read_is_kept_until_the_score_is_published_anew() -> None:
    reading = Reading()
    reading.may_end.set()
    explainer = Explainer(SETTINGS, reading)
    first = await explainer.of("a", 1)
    assert await explainer.of("a", 1) is first
    assert await explainer.of("a", 2) == {"claim_id": "a", "reading": 2}
    assert await explainer.of("gone", 1) is None
    await explainer.of("gone", 1)
    assert reading.read == ["a", "a", "gone", "gone"]


async def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explanation, "KEPT", 2)
    reading = Reading()
    reading.may_end.set()
    explainer = Explainer(SETTINGS, reading)
    for id_ in ("a", "b", "c", "b", "a"):
        await explainer.of(id_, 1)
    assert reading.read == ["a", "b", "c", "a"]


async def test_a_full_queue_says_so_at_once_and_empties_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explanation, "QUEUE_MAX", 2)
    reading = Reading()
    explainer = Explainer(SETTINGS, reading)
    asked = [asyncio.create_task(explainer.of(id_, 1)) for id_ in ("a", "b")]
    await asyncio.sleep(0.05)
    with pytest.raises(BusyError):
        await explainer.of("c", 1)
    asked.append(asyncio.create_task(explainer.of("a", 1)))  # no reading of its own
    await asyncio.sleep(0)
    reading.may_end.set()
    await asyncio.gather(*asked)
    assert await explainer.of("c", 1) == {"claim_id": "c", "reading": 3}


async def test_a_client_that_hangs_up_does_not_end_the_reading_for_others() -> None:
    reading = Reading()
    explainer = Explainer(SETTINGS, reading)
    leaving, staying = (asyncio.create_task(explainer.of("a", 1)) for _ in range(2))
    await asyncio.sleep(0.05)
    leaving.cancel()
    reading.may_end.set()
    assert await staying == {"claim_id": "a", "reading": 1}
