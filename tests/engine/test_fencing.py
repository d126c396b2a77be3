"""The epoch of a claim decides who may write: the newest owner, and nobody who believes to be one."""

from __future__ import annotations

import pytest
from aiokafka import AIOKafkaProducer

from streams.contract import topics
from streams.contract.settings import Settings, client_kwargs
from streams.engine.fencing import FencedProducer
from streams.engine.journal import Outgoing
from streams.engine.sending import ProduceFailed
from streams.kafka import provision
from tests.engine.toy import read_partition

TOPIC = topics.SOURCES_CHANGELOG


@pytest.fixture
def topic(settings: Settings) -> str:
    provision.create(settings.broker, settings, [TOPIC, topics.SOURCE_SCORES])
    return TOPIC.name(settings)


async def claimed(settings: Settings, name: str) -> FencedProducer:
    producer = FencedProducer(client_kwargs(settings), f"{settings.namespace}{name}")
    await producer.claim()
    return producer


async def test_a_zombie_is_refused_after_the_new_owners_first_batch(settings: Settings, topic: str) -> None:
    old = await claimed(settings, "p")
    await old.append(topic, 0, [(b"k", b"old")])
    new = await claimed(settings, "p")
    await new.append(topic, 0, [(b"k", b"new")])
    with pytest.raises(ProduceFailed, match=r"Fenced|InvalidProducerEpoch"):
        await old.append(topic, 0, [(b"k", b"zombie")])
    values = [r.value async for r in read_partition(client_kwargs(settings), topic, 0, 0, 2)]
    assert values == [b"old", b"new"]
    await old.close()
    await new.close()


async def test_a_plain_idempotent_producer_would_not_be_refused(settings: Settings, topic: str) -> None:
    """Why the claim is needed: without it the zombie's batch is accepted after the new owner's."""
    kwargs = client_kwargs(settings)
    old, new = AIOKafkaProducer(**kwargs, enable_idempotence=True), AIOKafkaProducer(**kwargs, enable_idempotence=True)
    await old.start()
    await new.start()
    for producer, value in ((old, b"old"), (new, b"new"), (old, b"zombie")):
        await producer.send_and_wait(topic, value, b"k", partition=1)
    values = [r.value async for r in read_partition(kwargs, topic, 1, 0, 3)]
    assert values == [b"old", b"new", b"zombie"]
    await old.stop()
    await new.stop()


async def test_the_same_owner_may_claim_again_and_go_on(settings: Settings, topic: str) -> None:
    owner = await claimed(settings, "p")
    await owner.append(topic, 0, [(b"k", b"1")])
    await owner.claim()
    assert await owner.append(topic, 0, [(b"k", b"2")]) == 1
    await owner.close()


async def test_a_batch_is_in_the_log_whole_and_in_order(settings: Settings, topic: str) -> None:
    owner = await claimed(settings, "p")
    first = await owner.append(topic, 2, [(b"%d" % i, b"x" * i) for i in range(500)])
    keys = [r.key async for r in read_partition(client_kwargs(settings), topic, 2, first, first + 500)]
    assert keys == [b"%d" % i for i in range(500)]
    await owner.close()


async def test_sent_records_keep_their_order_within_a_partition_however_large(settings: Settings, topic: str) -> None:
    owner = await claimed(settings, "p")
    sent = [Outgoing(topic, i % 2, b"%d" % i, bytes(200_000)) for i in range(12)]
    await owner.send(sent)
    for partition in (0, 1):
        records = [r async for r in read_partition(client_kwargs(settings), topic, partition, 0, 6)]
        assert [r.key for r in records] == [o.key for o in sent if o.partition == partition]
    await owner.close()


async def test_an_unclaimed_producer_refuses_to_write(settings: Settings, topic: str) -> None:
    with pytest.raises(ProduceFailed, match="not claimed"):
        await FencedProducer(client_kwargs(settings), "x").append(topic, 0, [(b"k", b"v")])
