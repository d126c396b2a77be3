"""One way out: what is due together is one request, in order, whole, and never twice. On a real Kafka."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.produce import ProduceRequest

from streams.contract import topics
from streams.contract.settings import Settings, client_kwargs
from streams.engine import company, sending
from streams.engine.journal import Outgoing
from streams.engine.sending import ProduceFailed, Sender, Writer
from streams.kafka import provision
from tests.engine.toy import read_partition


@pytest.fixture
async def sender(settings: Settings) -> AsyncIterator[Sender]:
    await asyncio.to_thread(provision.create, settings.broker, settings, [topics.BY_CLAIM])
    sender = Sender(client_kwargs(settings))
    await sender.start()
    yield sender
    await sender.stop()


async def values(settings: Settings, partition: int, count: int) -> list[Any]:
    topic = topics.BY_CLAIM.name(settings)
    return [r.value async for r in read_partition(client_kwargs(settings), topic, partition, 0, count)]


def requests(sender: Sender, monkeypatch: pytest.MonkeyPatch, lose: int = 0) -> list[Any]:
    """The produce requests that it sends from now on; of the first ones (`lose`) the answer is lost."""
    send, seen = sender._client.send, list[Any]()

    async def watched(node: int, request: Any, **more: Any) -> Any:
        answer = await send(node, request, **more)
        if isinstance(request, ProduceRequest):
            seen.append(request)
            if len(seen) <= lose:
                raise KafkaConnectionError("lost")
        return answer

    monkeypatch.setattr(sender._client, "send", watched)
    return seen


async def test_what_is_due_together_is_one_request(
    sender: Sender, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic, other = topics.BY_CLAIM.name(settings), Writer(4_000_000, 0)
    await sender.acked([(sender.own, topic, 3, [(b"k", b"who leads is known from now on")])])
    seen = requests(sender, monkeypatch)
    await asyncio.gather(
        sender.send(lambda _: sender.own, [Outgoing(topic, 0, b"k", b"a"), Outgoing(topic, 1, b"k", b"b")]),
        sender.send(lambda _: sender.own, [Outgoing(topic, 0, b"k", b"c")]),
        sender.acked([(other, topic, 2, [(b"k", b"d")])]),
    )
    assert len(seen) == 1
    assert [await values(settings, p, n) for p, n in ((0, 2), (1, 1), (2, 1))] == [[b"a", b"c"], [b"b"], [b"d"]]


async def test_what_comes_while_a_request_is_under_way_goes_together_in_the_next(
    sender: Sender, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = topics.BY_CLAIM.name(settings)
    seen = requests(sender, monkeypatch)

    async def each(i: int) -> int:
        await asyncio.sleep(0.0001 * i)
        return (await sender.acked([(sender.own, topic, 0, [(b"k", b"%d" % i)])]))[0]

    offsets = await asyncio.gather(*map(each, range(200)))
    assert sorted(offsets) == list(range(200))
    found = await values(settings, 0, 200)
    assert [found[offset] for offset in offsets] == [b"%d" % i for i in range(200)]
    assert len(seen) < 100


async def test_what_is_due_waits_for_who_was_handed_a_batch_at_the_same_time(
    sender: Sender, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(company, "PATIENCE_S", 60.0)
    topic = topics.BY_CLAIM.name(settings)
    await sender.acked([(sender.own, topic, 3, [(b"k", b"who leads is known from now on")])])
    seen = requests(sender, monkeypatch)
    sender.company.expect(["first", "second", "left out"])

    async def write(batch: str, partition: int, after: asyncio.Event | None = None) -> None:
        if after is not None:
            await after.wait()
        sender.company.came(batch)
        await sender.acked([(sender.own, topic, partition, [(b"k", batch.encode())])])

    may_write = asyncio.Event()
    writing = [asyncio.create_task(write("first", 0)), asyncio.create_task(write("second", 1, may_write))]
    await asyncio.sleep(0.1)
    assert not seen
    sender.company.came("left out")
    may_write.set()
    await asyncio.gather(*writing)
    assert len(seen) == 1


async def test_who_never_comes_is_not_waited_for_long(sender: Sender, settings: Settings) -> None:
    sender.company.expect(["gone"])
    async with asyncio.timeout(30):
        for _ in range(3):
            await sender.acked([(sender.own, topics.BY_CLAIM.name(settings), 0, [(b"k", b"v")])])


async def test_a_batch_whose_answer_was_lost_is_sent_again_and_stands_in_the_log_once(
    sender: Sender, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = topics.BY_CLAIM.name(settings)
    await sender.acked([(sender.own, topic, 0, [(b"k", b"0")])])
    seen = requests(sender, monkeypatch, lose=2)
    first, second = await asyncio.gather(
        sender.acked([(sender.own, topic, 0, [(b"k", b"1"), (b"k", b"2")])]),
        sender.acked([(sender.own, topic, 0, [(b"k", b"3")])]),
    )
    assert (first, second) == ([1], [3])
    later = await sender.acked([(sender.own, topic, 0, [(b"k", b"4")])])
    assert later == [4]
    assert await values(settings, 0, 5) == [b"%d" % i for i in range(5)]
    assert len(seen) == 4


async def test_what_the_broker_refuses_for_good_fails_alone(sender: Sender, settings: Settings) -> None:
    topic = topics.BY_CLAIM.name(settings)
    gap = Writer(sender.own.producer_id, sender.own.epoch)
    await sender.acked([(sender.own, topic, 0, [(b"k", b"v")])])
    gap.sent = type(gap.sent)(int, dict.fromkeys(sender.own.sent, 7))
    wrong, right = await asyncio.gather(
        sender.acked([(gap, topic, 0, [(b"k", b"v")])]),
        sender.acked([(sender.own, topic, 1, [(b"k", b"v")])]),
        return_exceptions=True,
    )
    assert isinstance(wrong, ProduceFailed)
    assert "OutOfOrder" in str(wrong)
    assert right == [0]


async def test_records_too_large_for_a_batch_are_refused_before_they_are_sent(
    sender: Sender, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "MAX_BATCH_BYTES", 1000)
    with pytest.raises(ProduceFailed, match="exceed a batch"):
        await sender.send(lambda _: sender.own, [Outgoing(topics.BY_CLAIM.name(settings), 0, b"k", bytes(1000))])


async def test_who_waits_when_a_sender_stops_is_told(sender: Sender, settings: Settings) -> None:
    topic = topics.BY_CLAIM.name(settings)
    sender._busy.add(sending.TopicPartition(topic, 0))  # as if a batch were under way that never returns
    waiting = asyncio.ensure_future(sender.acked([(sender.own, topic, 0, [(b"k", b"v")])]))
    await asyncio.sleep(0.1)
    await sender.stop()
    with pytest.raises(ProduceFailed, match="ProducerClosed"):
        await waiting
