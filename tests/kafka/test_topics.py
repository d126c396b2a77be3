"""Topics: declared once, created as declared, and refused when the broker has something else."""

from __future__ import annotations

import pytest
from aiokafka import AIOKafkaProducer
from hypothesis import given
from hypothesis import strategies as st

from streams.contract import topics
from streams.contract.settings import Settings, client_kwargs
from streams.kafka import provision
from streams.kafka.admin import Admin
from streams.kafka.log_reader import LogReader


def test_every_topic_is_documented_and_named_like_the_others() -> None:
    for topic in topics.ALL:
        owner, noun, version = topic.base.split(".")
        assert (owner in ("social", "trust"), bool(noun), version) == (
            True,
            True,
            "v2" if topic is topics.FLAGS else "v1",
        )
        assert topic.doc.endswith(".")
        assert all((topic.writer, topic.reader, topic.key))
    assert len({topic.base for topic in topics.ALL}) == len(topics.ALL)


def test_only_topics_without_compaction_have_a_retention() -> None:
    for topic in topics.ALL:
        assert bool(topic.retention) == (topic.cleanup == topics.DELETE)
        assert topic.config(Settings())["message.timestamp.type"] == "LogAppendTime"


def test_logs_are_kept_for_ever_by_default_because_verify_reads_them_from_the_beginning() -> None:
    for topic in (topics.EVENTS, topics.RULINGS, topics.BY_SOURCE, topics.BY_CLAIM):
        assert topic.config(Settings())["retention.ms"] == "-1"


@given(st.text(), st.integers(1, 64))
def test_every_key_has_a_partition(key: str, n: int) -> None:
    assert 0 <= topics.partition_of(key, n) < n


def test_partitions_of_keys_are_fixed_for_all_time() -> None:
    """Other languages find a key's partition by the same hash: these values are a promise."""
    assert [topics.partition_of(key, 4) for key in ("", "a", "user:42", "żółw", "\ud800")] == [2, 3, 2, 1, 0]


def test_create_makes_every_topic_as_declared_and_again_changes_nothing(broker: str, settings: Settings) -> None:
    first = provision.create(broker, settings)
    again = provision.create(broker, settings)
    assert all(state.created for state in first)
    assert not any(state.created for state in again)
    for topic, state in zip(topics.ALL, again, strict=True):
        assert state.name == settings.namespace + topic.base
        assert state.partitions == settings.partitions
        assert topic.config(settings).items() <= state.config.items()


def test_namespaces_do_not_see_each_other(broker: str, settings: Settings) -> None:
    provision.create(broker, settings, [topics.FLAGS])
    other = settings.replace(namespace=settings.namespace + "other.")
    assert [state.partitions for state in provision.states(broker, other, [topics.FLAGS])] == [0]


def test_topics_that_are_missing_get_as_many_partitions_as_those_that_are_there(
    broker: str, settings: Settings
) -> None:
    provision.create(broker, settings, [topics.FLAGS])
    other = settings.replace(partitions=3)
    found = provision.create(broker, other, [topics.FLAGS, topics.EVENTS, topics.BY_CLAIM])
    assert [state.partitions for state in found] == [4, 4, 4]
    assert provision.installed(other).partitions == 4


def test_inputs_may_have_any_number_of_partitions(broker: str, settings: Settings) -> None:
    provision.create(broker, settings.replace(partitions=6), [topics.EVENTS])
    provision.create(broker, settings.replace(partitions=1), [topics.RULINGS])
    found = provision.create(broker, settings)
    assert [state.partitions for state in found[:3]] == [6, 1, 4]
    assert provision.installed(settings.replace(partitions=9)).partitions == 4


def test_an_internal_topic_with_another_count_is_named_with_a_way_out(broker: str, settings: Settings) -> None:
    provision.create(broker, settings)
    with Admin(broker, settings) as admin:
        admin.grow(topics.FLAGS.name(settings), 5)
    for refuse in (provision.installed, lambda s: provision.check(broker, s), lambda s: provision.create(broker, s)):
        with pytest.raises(provision.TopicsError) as refused:
            refuse(settings)
        message = str(refused.value)
        assert f"{topics.FLAGS.name(settings)} has 5 partitions, and the other internal topics have 4" in message
        assert "`credence topics reset --partitions 4`" in message
        assert "delete" not in message


def test_where_nothing_is_installed_it_says_what_to_run(settings: Settings) -> None:
    with pytest.raises(provision.TopicsError, match=r"no topic of Credence .* run `credence topics create`"):
        provision.installed(settings)


def test_topics_that_are_missing_are_named_and_how_to_make_them(broker: str, settings: Settings) -> None:
    with pytest.raises(provision.TopicsError, match=r"trust\.flags\.v2 not there: run `credence topics create`"):
        provision.check(broker, settings, [topics.FLAGS])
    with pytest.raises(provision.TopicsError, match=f"and {len(topics.ALL) - 2} more not there"):
        provision.check(broker, settings)


def test_a_topic_with_producer_time_stamps_is_refused(broker: str, settings: Settings) -> None:
    from kafka import KafkaAdminClient

    with KafkaAdminClient(bootstrap_servers=broker) as admin:
        admin.create_topics(
            {
                topics.FLAGS.name(settings): {
                    "num_partitions": 4,
                    "replication_factor": 1,
                    "configs": {"message.timestamp.type": "CreateTime"},
                }
            }
        )
    with pytest.raises(provision.TopicsError, match=r"message\.timestamp\.type=CreateTime, not LogAppendTime"):
        provision.create(broker, settings, [topics.FLAGS])


def test_delete_removes_the_namespace_and_nothing_else(broker: str, settings: Settings) -> None:
    neighbour = settings.replace(namespace="n" + settings.namespace)
    provision.create(broker, settings, [topics.FLAGS])
    provision.create(broker, neighbour, [topics.FLAGS])
    assert provision.delete(broker, settings) == [topics.FLAGS.name(settings)]
    assert provision.states(broker, neighbour, [topics.FLAGS])[0].partitions == 4


def test_a_broker_that_is_not_there_is_an_error_that_names_it() -> None:
    with pytest.raises(provision.TopicsError, match=r"cannot reach Kafka at 127\.0\.0\.1:9"):
        provision.states("127.0.0.1:9", Settings())


def test_a_lone_surrogate_has_a_partition_too() -> None:
    assert 0 <= topics.partition_of("\ud800", 7) < 7


async def test_reset_empties_what_is_computed_and_keeps_the_inputs(settings: Settings) -> None:
    provision.create(settings.broker, settings)
    producer = AIOKafkaProducer(**client_kwargs(settings))
    await producer.start()
    for topic in (topics.EVENTS, topics.RULINGS, topics.BY_SOURCE, topics.CLAIMS_CHANGELOG):
        await producer.send_and_wait(topic.name(settings), b"v", b"k", partition=0)
    await producer.stop()
    assert topics.BY_SOURCE.name(settings) in provision.reset(settings.broker, settings)
    async with LogReader(client_kwargs(settings)) as logs:
        ends = {t: (await logs.bounds(t.name(settings), 1))[0][1] for t in topics.ALL}
    assert {topic.base for topic, end in ends.items() if end} == {topics.EVENTS.base, topics.RULINGS.base}
