"""What an operator, or retention, may do to topics under a running installation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aiokafka import AIOKafkaProducer, ConsumerRecord
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition

from streams.contract import topics
from streams.contract.settings import Settings, client_kwargs
from streams.engine.progress import ProgressBoard
from streams.kafka.admin import Admin
from streams.kafka.clients import started
from streams.kafka.log_reader import LogReader
from streams.kafka.topic_ids import TopicIds


def remake(settings: Settings, topic: topics.Topic) -> None:
    """Delete a topic and make it anew, empty, with as many partitions."""
    name = topic.name(settings)
    with Admin(settings.broker, settings) as admin:
        partitions = admin.partitions([name])[name]
        admin.delete([name])
        admin.await_gone([name])
        admin.create({name: {
            "num_partitions": partitions, "replication_factor": settings.replication_factor,
            "configs": topic.config(settings),
        }})  # fmt: skip
        if admin.partitions([name])[name] < partitions:  # a worker that started meanwhile was faster
            admin.grow(name, partitions)


def cut(settings: Settings, topic: topics.Topic, until: Mapping[int, int]) -> None:
    """Delete the records of partitions before an offset, as retention does."""
    client = KafkaAdminClient(**client_kwargs(settings))
    try:
        client.delete_records({TopicPartition(topic.name(settings), p): offset for p, offset in until.items()})
    finally:
        client.close()


def ends(settings: Settings, topic: topics.Topic) -> dict[int, int]:
    """Next offset of each partition."""
    client = KafkaConsumer(**client_kwargs(settings))
    try:
        name = topic.name(settings)
        tps = [TopicPartition(name, p) for p in client.partitions_for_topic(name)]
        return {tp.partition: end for tp, end in client.end_offsets(tps).items()}
    finally:
        client.close()


async def unread(settings: Settings, topic: topics.Topic) -> list[ConsumerRecord]:
    """The records of an input topic that no intake has reported as taken in."""
    client, name = client_kwargs(settings), topic.name(settings)
    board = ProgressBoard(client, topics.PROGRESS.name(settings))
    await board.start(publish=False)
    async with TopicIds(settings) as source:
        board.topic_ids = {f"intake-{topic.base}": (await source.of([name]))[name]}
    found = []
    async with LogReader(client) as logs:
        for partition, (_, end) in enumerate(await logs.bounds(name, (await logs.partitions([name]))[name])):
            place = board.applied(f"intake-{topic.base}", partition) + 1
            found += [record async for record in logs.read(name, partition, place, end)]
    await board.stop()
    return found


async def publish_again(settings: Settings, records: Sequence[ConsumerRecord]) -> None:
    """Publish records once more, each to its partition."""
    async with started(AIOKafkaProducer, client_kwargs(settings), acks="all") as producer:
        for record in records:
            await producer.send(record.topic, record.value, record.key, partition=record.partition)
