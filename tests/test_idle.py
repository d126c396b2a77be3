"""Waiting for a standstill on a real Kafka, with the stages' reports written by hand: whose patience counts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from aiokafka import AIOKafkaProducer

from streams.contract import topics
from streams.contract.settings import Settings, client_kwargs
from streams.engine.progress import Progress, ProgressBoard
from streams.kafka import provision
from streams.kafka.topic_ids import TopicIds
from streams.ops.idle import STAGES, StalledError, Standstill

PATIENCE_S = 3.0


async def put(settings: Settings, topic: topics.Topic, records: int) -> None:
    """Records of no meaning on partition 0 of a stage's log."""
    producer = AIOKafkaProducer(**client_kwargs(settings))
    await producer.start()
    try:
        for _ in range(records):
            await producer.send_and_wait(topic.name(settings), b"x", partition=0)
    finally:
        await producer.stop()


@asynccontextmanager
async def reporting(settings: Settings, reports: dict[str, int], moves: str, lag: int = 0) -> AsyncIterator[None]:
    """Reports of stages (how far partition 0 is applied), and of one that goes on and on, every half second."""
    board = ProgressBoard(client_kwargs(settings), topics.PROGRESS.name(settings))
    await board.start()
    async with TopicIds(settings) as source:
        ids = await source.of([topic.name(settings) for topic in STAGES.values()])
    topic_ids = {stage: ids[topic.name(settings)] for stage, topic in STAGES.items()}
    for stage, applied in reports.items():
        board.publish(Progress(stage, 0, applied, 0, 0, topic_ids[stage]))

    async def move() -> None:
        step = 0
        while True:
            step += 1
            board.publish(Progress(moves, 0, step, lag, 0, topic_ids[moves]))
            await asyncio.sleep(0.5)

    moving = asyncio.create_task(move())
    try:
        yield
    finally:
        moving.cancel()
        with suppress(asyncio.CancelledError):
            await moving
        await board.stop()


async def test_what_the_others_do_is_no_sign_of_life_of_a_stage_that_is_gone(settings: Settings) -> None:
    provision.create(settings.broker, settings)
    await put(settings, topics.PARTICIPATION, 3)
    told: list[str] = []
    async with (
        reporting(settings, {"communities": 0}, moves="claims"),
        asyncio.timeout(30),
        Standstill(settings, PATIENCE_S, told.append) as standstill,
    ):
        with pytest.raises(StalledError, match=r"stage communities makes no progress: 2 records wait .*partition 0"):
            await standstill.wait()
    assert told
    assert all(what.startswith("communities (2 records") for what in told)


async def test_a_stage_that_goes_on_is_waited_for_beyond_all_patience(settings: Settings) -> None:
    provision.create(settings.broker, settings)
    await put(settings, topics.BY_CLAIM, 12)
    async with (
        reporting(settings, {}, moves="claims"),
        asyncio.timeout(60),
        Standstill(settings, 1.5) as standstill,
    ):
        ends = await standstill.wait()
    assert ends["claims"][0] == 12


async def test_intake_that_pauses_for_a_later_stage_is_excused_as_long_as_that_one_goes_on(settings: Settings) -> None:
    provision.create(settings.broker, settings)
    await put(settings, topics.EVENTS, 3)
    intake = f"intake-{topics.EVENTS.base}"
    async with (
        reporting(settings, {intake: 0}, moves="claims", lag=settings.max_stage_lag + 1),
        Standstill(settings, 1.0) as standstill,
    ):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await standstill.wait()
    async with reporting(settings, {intake: 0}, moves="claims"), Standstill(settings, 1.0) as standstill:
        with pytest.raises(StalledError, match=f"stage {intake} makes no progress"):
            await standstill.wait()


async def test_a_stage_that_was_never_seen_is_called_so(settings: Settings) -> None:
    provision.create(settings.broker, settings)
    await put(settings, topics.BY_SOURCE, 1)
    async with Standstill(settings, 1.0) as standstill:
        with pytest.raises(
            StalledError, match=r"stage sources .* It has never been seen\. Start it with `credence worker"
        ):
            await standstill.wait()
