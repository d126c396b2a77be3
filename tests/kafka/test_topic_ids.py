"""Topic ids on a real broker: what aiokafka is told is what kafka-python is told."""

from __future__ import annotations

import asyncio

from streams.contract import topics
from streams.contract.settings import Settings
from streams.kafka import provision
from streams.kafka.admin import Admin
from streams.kafka.topic_ids import TopicIds, short


async def _ids(settings: Settings, names: list[str]) -> dict[str, str]:
    async with TopicIds(settings) as source:
        return await source.of(names)


def test_the_ids_are_those_that_kafka_python_reads_and_one_of_no_topic_is_left_out(settings: Settings) -> None:
    provision.create(settings.broker, settings)
    names = [topic.name(settings) for topic in topics.ALL]
    with Admin(settings.broker, settings) as admin:
        expected = {name: short(topic_id) for name, topic_id in admin.ids(names).items()}
    assert set(expected) == set(names)
    assert len(set(expected.values())) == len(names)
    assert asyncio.run(_ids(settings, [*names, "there.is.none"])) == expected


def test_several_ask_at_once_over_one_connection(settings: Settings) -> None:
    provision.create(settings.broker, settings)
    names = [topic.name(settings) for topic in topics.INPUTS]

    async def ask() -> list[dict[str, str]]:
        async with TopicIds(settings) as source:
            return await asyncio.gather(*(source.of(names) for _ in range(20)))

    answers = asyncio.run(ask())
    assert answers[0].keys() == set(names)
    assert all(answer == answers[0] for answer in answers)
