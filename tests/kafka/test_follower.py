"""Reading a topic for a command: from where, to where, and what is said when it is not there."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import pytest
from kafka import KafkaProducer

from streams.contract import topics
from streams.contract.settings import Settings, client_kwargs
from streams.kafka import provision
from streams.kafka.admin import TopicsError
from streams.kafka.follower import tail


@pytest.fixture
def filled(settings: Settings) -> Iterator[str]:
    """A topic with 5 records in partition 0, 3 in partition 1 and none in the others."""
    provision.create(settings.broker, settings, [topics.FLAGS])
    name = topics.FLAGS.name(settings)
    producer = KafkaProducer(**client_kwargs(settings))
    for partition, count in ((0, 5), (1, 3)):
        for n in range(count):
            producer.send(name, value=b"%d" % n, partition=partition)
    producer.close()
    yield name
    provision.delete(settings.broker, settings, [topics.FLAGS])


def values(settings: Settings, name: str, **how: int | bool | float) -> list[tuple[int, bytes]]:
    return sorted((record.partition, record.value) for record in tail(settings, name, **how))  # type: ignore[arg-type]


def test_all_of_it_some_of_it_and_the_end_of_it(settings: Settings, filled: str) -> None:
    everything = [(0, b"%d" % n) for n in range(5)] + [(1, b"%d" % n) for n in range(3)]
    assert values(settings, filled) == everything
    assert values(settings, filled, partition=1) == everything[5:]
    assert values(settings, filled, partition=3) == []
    assert values(settings, filled, last=2) == [(0, b"3"), (0, b"4"), (1, b"1"), (1, b"2")]
    assert values(settings, filled, last=0) == []
    assert values(settings, filled, partition=0, start=4) == [(0, b"4")]
    assert values(settings, filled, partition=0, start=99) == []


def test_following_goes_on_with_what_comes(settings: Settings, filled: str) -> None:
    followed = tail(settings, filled, last=1, follow=True, idle_s=20.0)
    assert {record.value for record in islice(followed, 2)} == {b"4", b"2"}
    producer = KafkaProducer(**client_kwargs(settings))
    producer.send(filled, value=b"new", partition=2).get(30)
    producer.close()
    assert next(followed).value == b"new"
    followed.close()
    assert len(list(tail(settings, filled, follow=True, idle_s=2.0))) == 9


def test_what_is_not_there_is_named_and_not_created(settings: Settings, filled: str) -> None:
    with pytest.raises(TopicsError, match="credence topics list"):
        list(tail(settings, filled + ".other"))
    with pytest.raises(TopicsError, match="no partition 7, only 4"):
        list(tail(settings, filled, partition=7))
    with pytest.raises(TopicsError, match=r"cannot reach Kafka at 127\.0\.0\.1:1"):
        list(tail(settings.replace(broker="127.0.0.1:1"), filled))
