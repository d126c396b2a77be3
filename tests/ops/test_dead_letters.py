"""Dead letters on a real broker: one of each is counted, found with its bytes, and redriven once, visibly."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from kafka import KafkaProducer

from load_tests.hostile import good_event
from streams.agents.intake.careful import Limits
from streams.agents.intake.events import decode_events
from streams.agents.publish.letters import dead_letter, of_reject
from streams.contract import topics
from streams.contract.settings import Settings, client_kwargs
from streams.contract.words import DeadLetterCode as Code
from streams.kafka import provision
from streams.kafka.admin import TopicsError
from streams.kafka.follower import tail
from streams.ops import dead_letters as deadletters
from streams.ops.dead_letters import Filter

NOW_MS = 1_764_000_000_000
USED = [topics.EVENTS, topics.RULINGS, topics.DEAD_LETTERS]


class Bench:
    """A namespace with input and dead-letter topics, and the intake's part of the work done by hand."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.events = topics.EVENTS.name(settings)
        self.letters = topics.DEAD_LETTERS.name(settings)
        provision.create(settings.broker, settings, USED)
        self.producer = KafkaProducer(**client_kwargs(settings), acks="all", max_request_size=4 * topics.MIB)

    def send(self, value: bytes | None, key: bytes | None = None, partition: int = 1) -> str:
        """Publish an event; returns its origin."""
        sent = self.producer.send(self.events, key=key, value=value, partition=partition).get(30)
        return f"{self.events}/{sent.partition}/{sent.offset}"

    def refuse(self) -> None:
        """Write the dead letters of all events so far, as intake does (a second call is a repeat after a crash)."""
        for record in tail(self.settings, self.events):
            for reject in decode_events([record], record.partition, Limits())[1]:
                self.note(of_reject(reject, record.topic, record.partition, "intake"))

    def note(self, letter: dict[str, Any] | bytes, partition: int = 0) -> None:
        value = letter if isinstance(letter, bytes) else orjson.dumps(letter)
        self.producer.send(self.letters, value=value, partition=partition).get(30)

    def arrived(self) -> list[Any]:
        return list(tail(self.settings, self.events))


@pytest.fixture
def bench(settings: Settings) -> Iterator[Bench]:
    made = Bench(settings)
    yield made
    made.producer.close()
    provision.delete(settings.broker, settings, USED)


def valid() -> bytes:
    return orjson.dumps(good_event(random.Random(1), NOW_MS))


def test_an_empty_topic_is_an_empty_summary(bench: Bench) -> None:
    assert deadletters.summary(bench.settings) == deadletters.Summary()
    assert deadletters.redrive(bench.settings, Filter()).sent == []


def test_letters_are_counted_once_however_often_they_are_written(bench: Bench) -> None:
    bench.send(valid())
    for bad in (b"{", b"[]", b"nope", None):
        bench.send(bad, key=b"k")
    bench.refuse()
    bench.refuse()
    bench.note(b"\xff no letter")
    bench.note(b'{"code": 1}')
    found = deadletters.summary(bench.settings)
    assert found.counts == {"not_json": 2, "not_object": 1, "empty": 1}
    assert found.unreadable == 2
    assert {letter.raw for letter in found.letters} == {None}, "a summary holds no bytes"


def test_filters_match_everything_that_is_set(bench: Bench) -> None:
    origins = [bench.send(bad) for bad in (b"{", b"[]", b"}")]
    bench.refuse()
    stamps = [letter.append_ms for letter in deadletters.summary(bench.settings).letters]

    def matching(**wanted: Any) -> list[str]:
        return sorted(letter.origin for letter in deadletters.summary(bench.settings, Filter(**wanted)).letters)

    assert matching(codes=["not_json"]) == [origins[0], origins[2]]
    assert matching(codes=["not_json"], origins=[origins[2], origins[1]]) == [origins[2]]
    assert matching(stages=["sources"]) == []
    assert matching(since_ms=max(stamps) + 1) == []
    assert matching(since_ms=min(stamps)) == origins


def test_a_letter_is_found_with_its_bytes(bench: Bench) -> None:
    origin = bench.send(b"\x00\xff", key=b"k\xfe")
    bench.refuse()
    letter = deadletters.find(bench.settings, origin)
    assert (letter.raw, letter.key, letter.code) == (b"\x00\xff", b"k\xfe", "key_not_utf8")


def test_bytes_that_the_letter_does_not_hold_come_from_the_topic(bench: Bench) -> None:
    long = b"x" * 1_000_000
    origin = bench.send(long)
    bench.refuse()
    assert deadletters.find(bench.settings, origin).raw == long
    conflict = bench.send(valid(), key=b"k")
    topic, partition, offset = deadletters.parse_origin(conflict)
    bench.note(
        dead_letter(
            Code.ID_CONFLICT, "again", topic=topic, partition=partition, offset=offset, append_ms=1, stage="sources"
        )
    )
    assert deadletters.find(bench.settings, conflict).raw == valid()
    gone = f"{bench.events}/1/999"
    bench.note(dead_letter(Code.ID_CONFLICT, "", topic=topic, partition=1, offset=999, append_ms=1, stage="sources"))
    assert deadletters.find(bench.settings, gone).raw is None


@pytest.mark.parametrize("origin", ["", "a", "a/b/c", "a/1", "a/1/-2", "a/1/2/3"])
def test_an_origin_that_is_none_is_refused_with_an_example(origin: str) -> None:
    with pytest.raises(TopicsError, match=r"TOPIC/PARTITION/OFFSET, such as"):
        deadletters.parse_origin(origin)


def test_an_unknown_origin_says_where_to_look(bench: Bench) -> None:
    with pytest.raises(TopicsError, match="dead-letters list"):
        deadletters.find(bench.settings, f"{bench.events}/0/0")


def test_a_redrive_sends_the_same_bytes_to_the_same_partition_with_a_mark(bench: Bench) -> None:
    origin = bench.send(valid()[:-1], key=b"ana", partition=2)
    bench.refuse()
    assert deadletters.redrive(bench.settings, Filter(codes=["not_json"])).sent == [origin]
    first, second = bench.arrived()
    assert (second.value, second.key, second.partition) == (first.value, first.key, 2)
    assert dict(second.headers) == {"credence-redrive": origin.encode()}


def test_a_dry_run_names_what_would_go_and_sends_nothing(bench: Bench) -> None:
    origins = {bench.send(bad) for bad in (b"{", b"[]")}
    bench.refuse()
    assert set(deadletters.redrive(bench.settings, Filter(), dry_run=True).sent) == origins
    assert len(bench.arrived()) == 2
    assert {letter.redrives for letter in deadletters.summary(bench.settings).letters} == {0}


def test_a_second_redrive_is_visible_and_needs_to_be_asked_for(bench: Bench) -> None:
    origin = bench.send(b"{")
    bench.refuse()
    wanted = Filter(origins=[origin])
    deadletters.redrive(bench.settings, wanted)
    assert deadletters.find(bench.settings, origin).redrives == 1
    held_back = deadletters.redrive(bench.settings, wanted)
    assert (held_back.sent, held_back.skipped) == ([], {"redriven before": 1})
    assert deadletters.redrive(bench.settings, wanted, again=True).sent == [origin]
    letter = deadletters.find(bench.settings, origin)
    assert letter.redrives == 2
    assert letter.redriven_at_ms is not None
    assert len(bench.arrived()) == 3
    bench.refuse()
    found = deadletters.summary(bench.settings)
    assert found.counts == {"not_json": 3}, "each redriven record was refused again and has a letter of its own"
    assert sorted(letter.redrive_of for letter in found.letters) == ["", origin, origin]
    assert [each.redrives for each in found.letters if not each.redrive_of] == [2]


def test_what_cannot_go_is_left_alone_with_its_reason(bench: Bench) -> None:
    bench.send(b"x" * 70_000)
    bench.send(None, key=b"k")
    bench.send(b"{", key=b"k" * 2_000)
    bench.refuse()
    foreign: dict[str, Any] = {"topic": topics.BY_SOURCE.name(bench.settings), "partition": 0, "offset": 0}
    bench.note(dead_letter(Code.FOREIGN_RECORD, "", **foreign, append_ms=1, stage="sources", value=b"{}"))
    done = deadletters.redrive(bench.settings, Filter())
    assert done.sent == []
    assert done.skipped == {
        "cut: not all bytes are in the letter": 2,
        "no bytes in the letter": 1,
        "not from an input topic": 1,
    }
    assert len(bench.arrived()) == 3


def test_thousands_are_redriven_in_order(bench: Bench) -> None:
    for n in range(1_200):
        bench.producer.send(bench.events, value=b"{%d" % n, partition=3)
    bench.producer.flush()
    bench.refuse()
    acknowledged: list[str] = []
    assert len(deadletters.redrive(bench.settings, Filter(), sent=acknowledged.append).sent) == 1_200
    assert len(acknowledged) == 1_200
    arrived = bench.arrived()
    assert [record.value for record in arrived[1_200:]] == [record.value for record in arrived[:1_200]]
