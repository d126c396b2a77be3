"""Progress on a real Kafka: told a few times a second, and in the end what was reported last."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import orjson
import pytest

from streams.contract import topics
from streams.contract.settings import Settings, client_kwargs
from streams.engine.progress import Progress, ProgressBoard
from streams.engine.sending import ProduceFailed
from streams.kafka import provision
from streams.kafka.log_reader import LogReader


@pytest.fixture
async def board(settings: Settings) -> ProgressBoard:
    await asyncio.to_thread(provision.create, settings.broker, settings, [topics.PROGRESS])
    return ProgressBoard(client_kwargs(settings), topics.PROGRESS.name(settings))


async def told(settings: Settings) -> list[dict[str, Any]]:
    topic = topics.PROGRESS.name(settings)
    async with LogReader(client_kwargs(settings)) as logs:
        _, end = (await logs.bounds(topic, 1))[0]
        return [orjson.loads(record.value) async for record in logs.read(topic, 0, 0, end)]


async def test_of_many_reports_few_are_told_and_the_last_one_is_among_them(
    board: ProgressBoard, settings: Settings
) -> None:
    await board.start()
    for offset in range(50):
        for partition in range(2):
            board.publish(Progress("claims", partition, offset, 0, 0))
        await asyncio.sleep(0.02)
    await asyncio.sleep(1.0)
    records = await told(settings)
    await board.stop()
    assert len(records) <= 2 * 16
    assert {r["partition"]: r["applied"] for r in records} == {0: 49, 1: 49}


async def test_the_first_report_after_a_while_is_told_at_once(board: ProgressBoard, settings: Settings) -> None:
    await board.start()
    other = ProgressBoard(client_kwargs(settings), topics.PROGRESS.name(settings))
    await other.start(publish=False)
    began = time.monotonic()
    board.publish(Progress("claims", 0, 7, 0, 0))
    await other.wait_applied("claims", {0: 7}, 10)
    assert time.monotonic() - began < 1.0
    await other.stop()
    await board.stop()


async def test_what_was_not_told_yet_is_told_when_a_worker_stops(board: ProgressBoard, settings: Settings) -> None:
    await board.start()
    for offset in range(3):
        board.publish(Progress("claims", 0, offset, 0, 0))
        await asyncio.sleep(0.05)
    await board.stop()
    assert (await told(settings))[-1]["applied"] == 2


async def test_a_report_that_the_broker_refused_is_told_later(
    board: ProgressBoard, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    await board.start()
    assert board._sender is not None
    acked, refused = board._sender.acked, []

    async def refuse_once(*args: Any, **kwargs: Any) -> Any:
        if not refused:
            refused.append(args)
            raise ProduceFailed("refused")
        return await acked(*args, **kwargs)

    monkeypatch.setattr(board._sender, "acked", refuse_once)
    board.publish(Progress("claims", 0, 7, 0, 0))
    await asyncio.sleep(1.0)
    assert refused
    assert [r["applied"] for r in await told(settings)] == [7]
    await board.stop()


async def test_a_report_of_ones_own_that_comes_back_late_replaces_no_newer_one(
    board: ProgressBoard, settings: Settings
) -> None:
    """Intake would be held back by a lag that is long gone. What another incarnation of the topic was at counts."""
    await board.start()
    board.publish(Progress("claims", 0, 7, 100, 0, "a"))
    board.publish(Progress("claims", 1, 7, 100, 0, "a"))
    await board.tell()
    board.publish(Progress("claims", 0, 9, 0, 0, "a"))
    board._hear(Progress("claims", 0, 7, 100, 0, "a"))
    board._hear(Progress("claims", 1, 3, 5, 0, "b"))
    assert [board.latest("claims")[p].applied for p in range(2)] == [9, 3]
    await board.stop()
