"""Platforms that write with transactions: what they take back never counts, and nobody waits for what is open."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import time
from pathlib import Path

import orjson
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.consumer.fetcher import FetchResult
from typer.testing import CliRunner

from streams.broker.machine import free_port
from streams.cli.main import app
from streams.contract import topics
from streams.contract.settings import Settings, client_kwargs
from streams.datasets import dataset
from streams.demo.processes import Child
from streams.engine.fetched import take
from streams.kafka import provision
from streams.kafka.follower import tail
from streams.kafka.log_reader import LogReader
from streams.ops import dead_letters as deadletters
from streams.ops.idle import StalledError, Standstill, wait_idle
from streams.ops.replay import Replay
from streams.ops.verify import verify

STALL_S = 6
IN_TIME_S = 90.0


def event(claim: str, number: int) -> bytes:
    return orjson.dumps(
        {
            "v": 1,
            "id": f"{claim}{number}",
            "kind": "post",
            "source_id": f"{claim}-{number}",
            "occurred_at_ms": int(time.time() * 1000),
            "claim_id": claim,
        }
    )


async def writer(settings: Settings, name: str) -> AIOKafkaProducer:
    producer = AIOKafkaProducer(**client_kwargs(settings), transactional_id=settings.namespace + name)
    await producer.start()
    return producer


async def write(producer: AIOKafkaProducer, settings: Settings, claim: str, count: int = 3) -> None:
    for number in range(count):
        await producer.send(topics.EVENTS.name(settings), event(claim, number), partition=0)
    await producer.flush()


async def test_what_a_fetch_holds_is_what_a_reader_of_committed_records_gets(settings: Settings) -> None:
    """Transactions of several producers in any order, ended or taken back, and plain batches in between."""
    settings = settings.replace(partitions=1)
    await asyncio.to_thread(provision.create, settings.broker, settings, [topics.EVENTS])
    dice, topic = random.Random(7), topics.EVENTS.name(settings)
    writers = [await writer(settings, str(number)) for number in range(3)]
    plain = AIOKafkaProducer(**client_kwargs(settings))
    await plain.start()
    open_: set[int] = set()
    for step in range(120):
        number = dice.randrange(4)
        if number == 3:
            await plain.send_and_wait(topic, b"plain %d" % step, partition=0)
        elif number not in open_:
            await writers[number].begin_transaction()
            open_.add(number)
        elif dice.random() < 0.5:
            await writers[number].send_and_wait(topic, b"%d %d" % (number, step), partition=0)
        else:
            await (writers[number].abort_transaction if dice.random() < 0.5 else writers[number].commit_transaction)()
            open_.discard(number)
    for number in open_:
        await writers[number].abort_transaction()
    for producer in (*writers, plain):
        await producer.stop()
    async with LogReader(client_kwargs(settings)) as logs:
        ((first, end),) = await logs.bounds(topic, 1)
        wanted = [(r.offset, r.value) async for r in logs.read(topic, 0, first, end)]
    assert len(wanted) < len(await uncommitted(settings)) < end
    for size in (100, 1_000, 1 << 20):
        assert await fetched(settings, size, end) == wanted
    await asyncio.to_thread(provision.delete, settings.broker, settings, [topics.EVENTS])


INTERNAL = (topics.BY_SOURCE, topics.BY_CLAIM, topics.LESSONS)


async def strangers(settings: Settings, producer: AIOKafkaProducer, commit: bool) -> None:
    """A transaction on every topic of the worker's stages."""
    await producer.begin_transaction()
    for topic in INTERNAL:
        await producer.send_and_wait(topic.name(settings), b"hello", partition=0)
    await (producer.commit_transaction() if commit else producer.abort_transaction())


async def test_transactions_of_strangers_between_the_stages_end_no_worker(settings: Settings, tmp_path: Path) -> None:
    """Aborted ones leave offsets without a record, committed ones a mark after what becomes a dead letter."""
    settings = settings.replace(partitions=1, stall_ms=STALL_S * 1000, metrics_port=free_port())
    await asyncio.to_thread(provision.create, settings.broker, settings)
    worker = Child("worker", ["worker", "--log-level", "info"], settings, tmp_path / "worker.log")
    platform, stranger = await writer(settings, "platform"), await writer(settings, "stranger")
    try:
        await strangers(settings, stranger, commit=False)
        for claim, commit in (("first", True), ("second", False)):
            async with platform.transaction():
                await write(platform, settings, claim)
            await at_rest(settings)
            await strangers(settings, stranger, commit)
        await at_rest(settings)
        await asyncio.sleep(2.5 * STALL_S)
        assert worker.ended() is None, worker.tail()
        worker.stop()
        worker = Child("worker", ["worker", "--log-level", "info"], settings, tmp_path / "again.log")
        async with platform.transaction():
            await write(platform, settings, "third")
        await at_rest(settings)
        assert worker.ended() is None, worker.tail()
    finally:
        await platform.stop()
        await stranger.stop()
        worker.stop()
    assert await asyncio.to_thread(known, settings) == {"first": 3, "second": 3, "third": 3}
    report = await verify(settings)
    assert report.passed, report
    letters = (await asyncio.to_thread(deadletters.summary, settings)).letters
    assert {(letter.topic, letter.code) for letter in letters} == {
        (topic.name(settings), "foreign_record") for topic in INTERNAL
    }
    await asyncio.to_thread(provision.delete, settings.broker, settings)


async def uncommitted(settings: Settings) -> list[bytes]:
    async with AIOKafkaConsumer(**client_kwargs(settings), auto_offset_reset="earliest") as consumer:
        tp = TopicPartition(topics.EVENTS.name(settings), 0)
        consumer.assign([tp])
        found, end = [], (await consumer.end_offsets([tp]))[tp]
        while await consumer.position(tp) < end:
            found += [r.value for r in (await consumer.getmany(tp, timeout_ms=200)).get(tp, [])]
        return found


async def fetched(settings: Settings, size: int, end: int) -> list[tuple[int, bytes]]:
    """What the worker's path makes of the log, in fetches of this size."""
    found: list[tuple[int, bytes]] = []
    client = client_kwargs(settings) | {"isolation_level": "read_committed", "auto_offset_reset": "earliest"}
    async with AIOKafkaConsumer(**client, max_partition_fetch_bytes=size) as consumer:
        tp = TopicPartition(topics.EVENTS.name(settings), 0)
        consumer.assign([tp])
        consumer.seek(tp, 0)
        while await consumer.position(tp) < end:
            await asyncio.sleep(0.005)
            held = consumer._fetcher._records.pop(tp, None)
            if isinstance(held, FetchResult) and (fetch := take(held)) is not None:
                found += [(record.offset, record.value) for record in fetch.records()]
    return found


def known(settings: Settings) -> dict[str, int]:
    """Claim → events, as `credence claims` has it."""
    env = {"CREDENCE_BROKER": settings.broker, "CREDENCE_NAMESPACE": settings.namespace, "CREDENCE_PARTITIONS": "1"}
    listed = CliRunner().invoke(app, ["claims", "--json"], env=env)
    assert listed.exit_code == 0, listed.output
    return {each["claim_id"]: each["events"] for each in map(json.loads, listed.stdout.splitlines())}


async def test_aborted_events_never_count_and_open_ones_hold_up_nothing(settings: Settings, tmp_path: Path) -> None:
    settings = settings.replace(partitions=1, stall_ms=STALL_S * 1000, metrics_port=free_port())
    await asyncio.to_thread(provision.create, settings.broker, settings)
    worker = Child("worker", ["worker", "--log-level", "info"], settings, tmp_path / "worker.log")
    first, second = await writer(settings, "first"), await writer(settings, "second")
    try:
        async with first.transaction():
            await write(first, settings, "committed")
        await at_rest(settings)  # the log ends with a marker
        await first.begin_transaction()
        await write(first, settings, "aborted")
        await asyncio.sleep(2.5 * STALL_S)
        await at_rest(settings)  # a transaction is open
        assert worker.ended() is None, worker.tail()
        async with second.transaction():
            await write(second, settings, "later")
        await first.abort_transaction()
        await at_rest(settings)
        await asyncio.sleep(2.5 * STALL_S)
        assert worker.ended() is None, worker.tail()
        worker.stop()
        worker = Child("worker", ["worker", "--log-level", "info"], settings, tmp_path / "again.log")
        await asyncio.sleep(3 * STALL_S)  # nothing to do, and its place is behind a marker
        assert worker.ended() is None, worker.tail()
    finally:
        await first.stop()
        await second.stop()
        worker.stop()
    assert await asyncio.to_thread(known, settings) == {"committed": 3, "later": 3}
    report = await verify(settings)
    assert report.passed, report
    assert report.claims == 2
    values = await asyncio.to_thread(lambda: [r.value for r in tail(settings, topics.EVENTS.name(settings))])
    assert [orjson.loads(value)["claim_id"] for value in values] == ["committed"] * 3 + ["later"] * 3
    await asyncio.to_thread(provision.delete, settings.broker, settings)


async def test_two_workers_one_of_them_killed_count_what_was_committed_and_that_once(
    settings: Settings, tmp_path: Path
) -> None:
    settings = settings.replace(partitions=2, metrics_port=0)
    await asyncio.to_thread(provision.create, settings.broker, settings)

    def start(name: str) -> Child:
        return Child(name, ["worker", "--log-level", "info"], settings, tmp_path / f"{name}.log")

    workers = [start("one"), start("two")]
    producer = await writer(settings, "platform")
    dice, topic, expected = random.Random(3), topics.EVENTS.name(settings), 0
    try:
        for step in range(200):
            await producer.begin_transaction()
            for number in range(10):
                value = event(f"c{step % 7}", step * 10 + number)
                await producer.send(topic, value, partition=dice.randrange(2))
            if dice.random() < 0.4:
                await producer.flush()
                await producer.abort_transaction()
            else:
                await producer.commit_transaction()
                expected += 10
            if step == 100:
                os.kill(workers[0].pid, signal.SIGKILL)
                workers.append(start("three"))
            await asyncio.sleep(0.05)
        await wait_idle(settings)
        assert [worker.ended() for worker in workers[1:]] == [None, None], workers[1].tail() + workers[2].tail()
    finally:
        await producer.stop()
        for worker in workers:
            worker.stop()
    report = await verify(settings)
    assert report.passed, report
    assert report.sources == expected
    await asyncio.to_thread(provision.delete, settings.broker, settings)


async def test_a_replay_does_not_call_applied_what_an_open_transaction_keeps_from_being_read(
    settings: Settings, tmp_path: Path
) -> None:
    settings = settings.replace(partitions=1, metrics_port=0)
    (tmp_path / "events.csv").write_text(
        "ts,kind,claim_id,event_id,parent_id,user_id\n1400000000,post,told,told,,u\n1400000001,reply,told,again,told,v\n"
    )
    (tmp_path / "claims.csv").write_text("claim_id,label\n")
    await asyncio.to_thread(provision.create, settings.broker, settings)
    worker = Child("worker", ["worker", "--log-level", "info"], settings, tmp_path / "worker.log")
    other = await writer(settings, "other")
    try:
        await other.begin_transaction()
        await write(other, settings, "open", 1)
        replay = Replay(settings, dataset.read(tmp_path), 0, stall_s=3.0)
        with pytest.raises(StalledError, match=r"transaction open on .*social\.events\.v1/0 for 3 s"):
            await replay.run()
        running = asyncio.create_task(Replay(settings, dataset.read(tmp_path), 0).run())
        await asyncio.sleep(3)
        assert not running.done()
        await other.abort_transaction()
        assert (await running).events == 2
    finally:
        await other.stop()
        worker.stop()
    assert (await verify(settings)).claims == 1
    await asyncio.to_thread(provision.delete, settings.broker, settings)


async def at_rest(settings: Settings) -> None:
    """Nothing is in flight, and nothing looks as if it were."""
    async with asyncio.timeout(IN_TIME_S):
        ends = await wait_idle(settings)
    async with Standstill(settings) as standstill:
        lag = standstill.lag(ends)
    assert lag == dict.fromkeys(lag, 0)
