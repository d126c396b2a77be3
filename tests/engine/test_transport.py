"""What of Faust is overridden, beside what stock Faust does in the same place."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import faust
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from faust.transport.drivers import aiokafka as stock
from faust.types import TP
from intervaltree import IntervalTree

from streams.contract import topics
from streams.contract.settings import Settings, client_kwargs
from streams.engine import fetching
from streams.engine.company import Company
from streams.engine.fetched import Fetch, joined, take
from streams.engine.fetching import WAIT_MS
from streams.engine.transport import BatchConsumer, BatchTransport, RawSchema
from streams.kafka import provision
from streams.kafka.clients import started

TOPIC = TP("t", 0)


def acked(offsets: list[int], committed: int | None) -> Any:
    """Bookkeeping of a consumer that has acknowledged these offsets."""
    return SimpleNamespace(
        _acked=defaultdict(list, {TOPIC: list(offsets)}),
        _acked_index=defaultdict(set, {TOPIC: set(offsets)}),
        _gap=defaultdict(IntervalTree),
        _committed_offset=defaultdict(lambda: None, {TOPIC: committed}),
    )


def test_commit_takes_the_highest_batch_acknowledged() -> None:
    assert BatchConsumer._new_offset(acked([2000, 4000, 5500], 1), TOPIC) == 5501


def test_stock_commit_crawls_since_batches_are_not_consecutive() -> None:
    assert stock.Consumer._new_offset(acked([2000, 4000, 5500], None), TOPIC) == 2001
    assert stock.Consumer._new_offset(acked([2000, 4000, 5500], 1), TOPIC) is None


def test_nothing_acknowledged_commits_nothing() -> None:
    assert BatchConsumer._new_offset(acked([], 7), TOPIC) is None


async def test_gaps_between_batches_are_not_counted_as_work_done() -> None:
    consumer = acked([], None)
    await BatchConsumer._add_gap(consumer, TOPIC, 3, 900)
    assert not consumer._gap[TOPIC]
    await stock.Consumer._add_gap(consumer, TOPIC, 3, 900)
    assert consumer._gap[TOPIC]


class Plain(faust.App):
    """An app with the transport's questions answered: no state, nothing held."""

    company = Company()

    def handed_out(self, tps: Collection[TP]) -> None:
        return None

    def positions(self) -> dict[TP, int]:
        return {}

    def held_partitions(self) -> set[TP]:
        return set()

    def unparsed_topics(self) -> tuple[str, ...]:
        return ()

    def committed(self) -> None:
        pass

    def pace_s(self, topic: str) -> float:
        return 0.0


class Batched(Plain):
    """The same with whole batches for messages."""

    def _new_transport(self) -> BatchTransport:
        return BatchTransport(self.conf.broker_consumer, self)


class Unparsed(Batched):
    """The same with batches as they came."""

    def unparsed_topics(self) -> tuple[str, ...]:
        return (topics.EVENTS.name(Settings(namespace=self.conf.id.removesuffix("Unparsed"))),)


def an_app(kind: type[Plain], settings: Settings, tmp_path: Any) -> Plain:
    return kind(
        f"{settings.namespace}{kind.__name__}",
        broker=f"kafka://{settings.broker}",
        store="memory://",
        table_standby_replicas=0,
        consumer_auto_offset_reset="earliest",
        topic_disable_leader=True,
        topic_allow_declare=False,
        web_enabled=False,
        autodiscover=False,
        datadir=str(tmp_path),
    )


async def collected(kind: type[Plain], settings: Settings, records: int, tmp_path: Any, **schema: Any) -> list[Any]:
    """Values that an agent of the app sees until all records came by."""
    app = an_app(kind, settings, tmp_path)
    seen: list[Any] = []
    done = asyncio.Event()

    async def agent(stream: Any) -> None:
        async for event in stream.events():
            seen.append(event.value)
            count = sum(len(records_in(v)) if isinstance(v, list) else 1 for v in seen)
            if isinstance(app.consumer, BatchConsumer):
                app.consumer.batch_done(event.message.tp)
            if count >= records:
                done.set()

    app.agent(app.topic(topics.EVENTS.name(settings), **schema), name="agent")(agent)
    await app.start()
    try:
        async with asyncio.timeout(60):
            await done.wait()
    finally:
        await app.stop()
    return seen


@pytest.fixture
async def hundred(settings: Settings) -> Settings:
    """A hundred records on one partition."""
    await asyncio.to_thread(provision.create, settings.broker, settings, [topics.EVENTS])
    producer = AIOKafkaProducer(**client_kwargs(settings), linger_ms=50)
    await producer.start()
    acks = [await producer.send(topics.EVENTS.name(settings), b"\xff%d" % i, partition=1) for i in range(100)]
    await asyncio.gather(*acks)
    await producer.stop()
    return settings


async def test_an_agent_gets_what_was_fetched_of_a_partition_as_one_message(hundred: Settings, tmp_path: Any) -> None:
    seen = await collected(Batched, hundred, 100, tmp_path, schema=RawSchema())
    assert all(isinstance(batch, list) for batch in seen)
    assert len(seen) <= 10
    assert [record.offset for batch in seen for record in batch] == list(range(100))
    assert not any(isinstance(record, ConsumerRecord) for batch in seen for record in batch)


def records_in(batch: list[Any]) -> list[Any]:
    return [r for item in batch for r in (item.records() if isinstance(item, Fetch) else [item])]


async def test_of_a_topic_left_unparsed_an_agent_gets_the_batches_as_they_came(
    hundred: Settings, tmp_path: Any
) -> None:
    seen = await collected(Unparsed, hundred, 100, tmp_path, schema=RawSchema())
    assert all(isinstance(item, Fetch) for batch in seen for item in batch)
    assert [(r.offset, r.value) for b in seen for r in records_in(b)] == [(i, b"\xff%d" % i) for i in range(100)]
    assert seen[-1][-1].offset == 99
    assert seen[-1][-1].timestamp == records_in(seen[-1])[-1].timestamp


def unread(*offsets: int, first: int, codec: int = 0) -> Any:
    """What aiokafka's fetcher holds of a partition when batches of ten records from these offsets came for `first`."""
    data = b""
    for base in offsets:
        batch = DefaultRecordBatchBuilder(2, codec, 0, -1, -1, -1, 1 << 20)
        for i in range(10):
            batch.append(i, 1, None, b"%d" % (base + i), [])
        raw = batch.build()
        raw[:8] = base.to_bytes(8, "big")
        data += bytes(raw)
    records = SimpleNamespace(_records=fetcher.MemoryRecords(data), next_fetch_offset=first, _aborted_transactions=[])
    state = SimpleNamespace(
        _topic_partition=TOPIC, _partition_records=records, check_assignment=lambda tp: True,
        has_more=lambda: True, _update_position=lambda: None,
    )  # fmt: skip
    return state, records


def test_records_before_the_offset_that_was_asked_for_are_left_out() -> None:
    state, records = unread(10, 20, first=14)
    fetch = take(state)
    assert fetch is not None
    assert [r.value for r in fetch.records()] == [b"%d" % i for i in range(14, 30)]
    assert records.next_fetch_offset == 30


@pytest.mark.parametrize("codec", [1, 2, 3, 4], ids=["gzip", "snappy", "lz4", "zstd"])
def test_every_compression_is_read(codec: int) -> None:
    fetch = take(unread(10, 20, first=14, codec=codec)[0])
    assert fetch is not None
    assert [r.value for r in fetch.records()] == [b"%d" % i for i in range(14, 30)]


def test_a_batch_that_was_damaged_on_its_way_is_not_parsed() -> None:
    fetch = take(unread(10, first=10)[0])
    assert fetch is not None
    with pytest.raises(CorruptRecordException, match="offset 10"):
        fetch._replace(data=fetch.data[:-1] + b"\xff").records()


class Stepwise(Batched):
    """An app whose agent does nothing; the test says when a batch is done."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.seen: asyncio.Queue[Any] = asyncio.Queue()

    async def batch(self) -> Any:
        async with asyncio.timeout(60):
            return await self.seen.get()


@asynccontextmanager
async def stepwise(settings: Settings, tmp_path: Any) -> AsyncIterator[tuple[Stepwise, Callable[[int], Any]]]:
    """The app, started, and what sends a record to a partition."""
    app = an_app(Stepwise, settings, tmp_path)
    assert isinstance(app, Stepwise)

    async def agent(stream: Any) -> None:
        async for event in stream.events():
            await app.seen.put(event.message)

    app.agent(app.topic(topics.EVENTS.name(settings), schema=RawSchema()), name="agent")(agent)
    await app.start()
    producer = AIOKafkaProducer(**client_kwargs(settings))
    await producer.start()

    async def send(partition: int) -> None:
        await producer.send_and_wait(topics.EVENTS.name(settings), b"later", partition=partition)

    try:
        yield app, send
    finally:
        await producer.stop()
        await app.stop()


async def test_what_comes_while_a_batch_is_at_work_is_the_next_batch(hundred: Settings, tmp_path: Any) -> None:
    """It is fetched meanwhile, or the fetch would not wait for it; its first record does not come alone."""
    async with stepwise(hundred, tmp_path) as (app, send):
        first = await app.batch()
        for _ in range(20):
            await send(1)
        await asyncio.sleep(0.2)
        assert app.seen.empty()
        app.consumer.batch_done(first.tp)
        later = await app.batch()
        assert [record.value for record in later.value[-20:]] == [b"later"] * 20
        assert later.value[-1].offset == 119


async def test_a_partition_does_not_wait_behind_the_fetch_of_others(hundred: Settings, tmp_path: Any) -> None:
    """The fetch under way stays on the broker for hundreds of ms when nothing comes."""
    took = []
    async with stepwise(hundred, tmp_path) as (app, send):
        app.consumer.batch_done((await app.batch()).tp)
        for _ in range(7):
            await asyncio.sleep(0.15)
            began = time.monotonic()
            await send(1)
            app.consumer.batch_done((await app.batch()).tp)
            took.append(time.monotonic() - began)
    assert WAIT_MS >= 200
    assert statistics.median(took) < 0.1


async def test_records_fetched_ahead_of_a_place_that_has_moved_are_not_handed_out(
    hundred: Settings, tmp_path: Any
) -> None:
    async with stepwise(hundred, tmp_path) as (app, send):
        first = await app.batch()
        await send(1)
        await asyncio.sleep(0.3)
        assert first.tp in app.consumer._thread._ahead
        await app.consumer.seek(first.tp, 42)
        app.consumer.batch_done(first.tp)
        again = await app.batch()
        assert [record.offset for record in again.value][:2] == [42, 43]


async def test_what_follows_close_behind_is_fetched_together(
    hundred: Settings, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the pace of its topic; the first records after a while come at once."""
    monkeypatch.setattr(Plain, "pace_s", lambda self, topic: 0.5)
    async with stepwise(hundred, tmp_path) as (app, send):
        app.consumer.batch_done((await app.batch()).tp)
        await asyncio.sleep(0.6)
        began = time.monotonic()
        await send(1)
        app.consumer.batch_done((await app.batch()).tp)
        assert time.monotonic() - began < 0.4
        for _ in range(5):
            await send(1)
        assert len((await app.batch()).value) == 5


async def test_what_is_done_is_committed_for_the_group_without_a_table_of_it(
    hundred: Settings, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("faust.transport.consumer.terminal.logtable")
    async with stepwise(hundred, tmp_path) as (app, send):
        for _ in range(2):  # the second is what makes the agent acknowledge the first
            app.consumer.batch_done((await app.batch()).tp)
            await send(1)
        await app.batch()
        assert await app.consumer.commit()
        place = TopicPartition(topics.EVENTS.name(hundred), 1)
        async with started(AIOKafkaConsumer, client_kwargs(hundred), group_id=app.conf.id) as group:
            assert await group.committed(place) >= 100


async def test_a_partition_that_is_kept_waiting_is_fetched_ahead_up_to_a_bound(
    hundred: Settings, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "AHEAD_BYTES", 500)
    async with stepwise(hundred, tmp_path) as (app, send):
        first = await app.batch()
        for _ in range(40):
            await send(1)
        await asyncio.sleep(0.3)
        app.consumer.batch_done(first.tp)
        values = []
        while len(values) < 40:
            batch = await app.batch()
            values += batch.value
            app.consumer.batch_done(batch.tp)
            assert len(batch.value) < 40
        assert [record.offset for record in values] == list(range(100, 140))


async def test_a_stock_agent_gets_a_message_a_record(hundred: Settings, tmp_path: Any) -> None:
    seen = await collected(Plain, hundred, 100, tmp_path, value_serializer="raw")
    assert len(seen) == 100


def test_fetches_that_follow_each_other_are_one() -> None:
    first, second = take(unread(10, 20, first=14)[0]), take(unread(30, first=30)[0])
    assert first is not None
    assert second is not None
    both = joined([first._replace(aborted=((7, 3),)), second._replace(aborted=((7, 3), (8, 32)))])
    assert [r.offset for r in both.records()] == list(range(14, 40))
    assert both[1:] == (14, 39, second.timestamp, ((7, 3), (8, 32)))


def test_a_batch_of_which_only_the_beginning_came_is_left_for_the_next_fetch() -> None:
    state, records = unread(10, 20, first=10)
    records._records = fetcher.MemoryRecords(records._records.data[:-5])
    fetch = take(state)
    assert fetch is not None
    assert fetch.offset == 19
    later = take(unread(20, first=20)[0])
    assert later is not None
    assert [r.offset for r in joined([fetch, later]).records()] == list(range(10, 30))
