"""The one reader of logs: what is read up to an end is read once, and what comes after it is read later."""

from __future__ import annotations

from aiokafka import TopicPartition
from kafka import KafkaProducer

from streams.contract import topics
from streams.contract.settings import Settings, client_kwargs
from streams.kafka import provision
from streams.kafka.log_reader import LogReader


def append(settings: Settings, topic: str, values: range) -> None:
    producer = KafkaProducer(**client_kwargs(settings), acks="all")
    acks = [producer.send(topic, value=str(value).encode(), partition=0) for value in values]
    for ack in acks:
        ack.get(timeout=60)
    producer.close()


async def test_what_comes_while_a_log_is_read_up_to_its_end_is_read_afterwards(settings: Settings) -> None:
    """A follower reads up to the end that it asked for, and on from there: a last report was lost in between."""
    provision.create(settings.broker, settings, [topics.EVENTS])
    topic = topics.EVENTS.name(settings)
    tp = TopicPartition(topic, 0)
    append(settings, topic, range(3))
    async with LogReader(client_kwargs(settings)) as logs:
        ends = await logs.ends([tp])
        append(settings, topic, range(3, 5))
        await logs.place({tp: 0})  # from here on it fetches, the two new ones along with the others
        before = [int(record.value) async for batch in logs.upto(ends) for record in batch]
        after: list[int] = []
        while len(after) < 2:
            after += [int(record.value) for record in await logs.fetch()]
    assert (before, after) == ([0, 1, 2], [3, 4])
