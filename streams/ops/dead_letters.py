"""Dead letters: what was refused and why, and sending it in again once the reason is gone.

A letter is known by the origin (topic/partition/offset) of the record that it is about. After a crash a stage may write
it twice, and a redrive writes it again with its count, so readers keep one letter for each origin.
"""

from __future__ import annotations

import base64
import binascii
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from streams.agents.publish.letters import REDRIVE_HEADER, origin_of
from streams.contract import topics
from streams.contract.settings import Settings, client_kwargs
from streams.kafka.admin import Admin, TopicsError
from streams.kafka.follower import tail
from streams.kafka.topic_ids import short

SEND_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter (`streams.contract.dead_letter_record` says what each field means).

    Attributes:
        key, raw: bytes, as far as the letter holds them; None if the record had none, or the stage no longer had them.
        key_length, raw_length: bytes of the whole key and value; None where `key` and `raw` are.
        redrives: how often it was redriven.
        place: partition and offset of the letter itself on the dead-letter topic.
        written: the letter as it stands there.
    """

    code: str
    detail: str
    topic: str
    partition: int
    offset: int
    append_ms: int
    stage: str
    key: bytes | None = None
    key_length: int | None = None
    raw: bytes | None = None
    raw_length: int | None = None
    raw_sha256: str = ""
    redrive_of: str = ""
    redrives: int = 0
    redriven_at_ms: int | None = None
    topic_id: str = ""
    place: tuple[int, int] = (0, 0)
    written: bytes = b""

    @property
    def origin(self) -> str:
        """topic/partition/offset of the refused record; for an input topic also @ and its short id."""
        return origin_of(self.topic, self.partition, self.offset, self.topic_id)

    def is_about(self, origins: Collection[str]) -> bool:
        """Whether these origins, with the topic's id or without, include this letter's."""
        return self.origin in origins or origin_of(self.topic, self.partition, self.offset) in origins

    def as_json(self) -> dict[str, Any]:
        """The letter without its bytes, for lists."""
        return {
            "origin": self.origin,
            "code": self.code,
            "detail": self.detail,
            "stage": self.stage,
            "append_ms": self.append_ms,
            "raw_length": self.raw_length,
            "redrive_of": self.redrive_of or None,
            "redrives": self.redrives,
            "redriven_at_ms": self.redriven_at_ms,
        }


@dataclass(frozen=True, slots=True)
class Filter:
    """Which letters are meant: those that match everything that is set.

    Attributes:
        codes, stages, origins: the letter must have one of these; empty: any. An origin is topic/partition/offset, and
            means every incarnation of the topic unless @ and an id follow.
        since_ms: the broker must have got the refused record at this time or later, milliseconds since 1970.
    """

    codes: Collection[str] = ()
    stages: Collection[str] = ()
    origins: Collection[str] = ()
    since_ms: int | None = None

    def __call__(self, letter: Letter) -> bool:
        return (
            (not self.codes or letter.code in self.codes)
            and (not self.stages or letter.stage in self.stages)
            and (not self.origins or letter.is_about(self.origins))
            and (self.since_ms is None or letter.append_ms >= self.since_ms)
        )


@dataclass(slots=True)
class Summary:
    """What the dead-letter topic holds.

    Attributes:
        counts: letters by code, most frequent first.
        letters: the matching letters without their bytes, oldest first.
        unreadable: number of records on the topic that are no dead letters.
    """

    counts: dict[str, int] = field(default_factory=dict)
    letters: list[Letter] = field(default_factory=list)
    unreadable: int = 0


@dataclass(slots=True)
class Redriven:
    """What a redrive did, or would do: the letters sent in again, and those left alone, by reason."""

    sent: list[str] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)


def parse(value: bytes | None, place: tuple[int, int] = (0, 0), bytes_too: bool = True) -> Letter | None:
    """A record of the dead-letter topic as a letter; None if it is none. Lists leave out the bytes."""
    try:
        found = orjson.loads(value or b"")
        return Letter(
            code=str(found["code"]),
            detail=str(found["detail"]),
            topic=str(found["topic"]),
            partition=int(found["partition"]),
            offset=int(found["offset"]),
            append_ms=int(found["append_ms"]),
            stage=str(found["stage"]),
            key=_bytes(found.get("key_b64")) if bytes_too else None,
            key_length=found.get("key_length"),
            raw=_bytes(found.get("raw")) if bytes_too else None,
            raw_length=found.get("raw_length"),
            raw_sha256=found.get("raw_sha256") or "",
            redrive_of=found.get("redrive_of") or "",
            redrives=int(found.get("redrives") or 0),
            redriven_at_ms=found.get("redriven_at_ms"),
            topic_id=str(found.get("topic_id") or ""),
            place=place,
            written=(value or b"") if bytes_too else b"",
        )
    except (orjson.JSONDecodeError, binascii.Error, KeyError, TypeError, ValueError, AttributeError):
        return None


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text, validate=True)


def summary(settings: Settings, wanted: Filter | None = None) -> Summary:
    """Counts and letters on the dead-letter topic as it stands. Raises TopicsError if it is not there."""
    found = Summary()
    index: dict[str, Letter] = {}
    for letter in _letters(settings, bytes_too=False):
        if letter is None:
            found.unreadable += 1
        else:
            _keep(index, letter)
    found.letters = sorted(filter(wanted or Filter(), index.values()), key=lambda letter: letter.append_ms)
    found.counts = dict(Counter(letter.code for letter in found.letters).most_common())
    return found


def find(settings: Settings, origin: str) -> Letter:
    """The letter about a record, with the bytes: the letter's, else those that the record's own topic still has.

    Raises TopicsError if there is no such letter, if `origin` is no topic/partition/offset, or if several incarnations
    of the topic have a letter about it.
    """
    parse_origin(origin)
    index: dict[str, Letter] = {}
    for letter in _letters(settings):
        if letter is not None and letter.is_about((origin,)):
            _keep(index, letter)
    if not index:
        raise TopicsError(f"there is no dead letter about {origin}: `credence dead-letters list` shows those that are")
    if len(index) > 1:
        raise TopicsError(f"{origin.partition('/')[0]} was made anew, and there are several: name {' or '.join(index)}")
    (letter,) = index.values()
    return letter if whole(letter) or letter.code == "empty" else _refetched(settings, letter)


def parse_origin(origin: str) -> tuple[str, int, int]:
    """Topic, partition and offset of an origin. Raises TopicsError if it is none."""
    topic, _, rest = origin.partition("@")[0].partition("/")
    partition, _, offset = rest.partition("/")
    if not (topic and partition.isdecimal() and offset.isdecimal()):
        raise TopicsError(f"{origin!r} is not TOPIC/PARTITION/OFFSET, such as social.events.v1/3/17")
    return topic, int(partition), int(offset)


def whole(letter: Letter) -> bool:
    """Whether the letter holds the record's whole key and value."""
    return (
        letter.raw is not None
        and len(letter.raw) == letter.raw_length
        and (letter.key is None or len(letter.key) == letter.key_length)
    )


def redrive(
    settings: Settings,
    wanted: Filter,
    *,
    dry_run: bool = False,
    again: bool = False,
    sent: Callable[[str], None] = lambda origin: None,
) -> Redriven:
    """Publish the records of matching letters to their topic once more, byte for byte, to the same partition.

    Only input topics get records back, and only whole records are sent. Each carries the header `credence-redrive` with
    the letter's origin. If it is refused again, the new letter names that origin in `redrive_of`. The old letter is
    written again with its count of redrives. Records that were redriven before are left alone, unless `again`.

    Args:
        settings: which Kafka and namespace.
        wanted: which letters.
        dry_run: only say what would be sent.
        again: send also what was redriven before.
        sent: called with each origin when its record is acknowledged.
    """
    index = {letter.origin: letter for letter in summary(settings, wanted).letters}
    done = Redriven()
    inputs = {topic.name(settings) for topic in (topics.EVENTS, topics.RULINGS)}
    ready: list[Letter] = []
    for letter in _letters(settings):
        known = index.pop(letter.origin, None) if letter is not None else None
        if letter is None or known is None:
            continue
        if (reason := _obstacle(letter, inputs)) is None and known.redrives and not again:
            reason = "redriven before"
        if reason is not None:
            done.skipped[reason] += 1
        elif dry_run:
            done.sent.append(letter.origin)
        else:
            ready.append(replace(letter, redrives=known.redrives))
            if len(ready) == 500:
                done.sent += _send(settings, ready, sent)
                ready.clear()
    done.sent += _send(settings, ready, sent)
    return done


def _obstacle(letter: Letter, inputs: Collection[str]) -> str | None:
    if letter.topic not in inputs:
        return "not from an input topic"
    if letter.raw is None:
        return "no bytes in the letter"
    return None if whole(letter) else "cut: not all bytes are in the letter"


def _send(settings: Settings, letters: list[Letter], sent: Callable[[str], None]) -> list[str]:
    """Publish the records, wait for the acks, then write the letters again with their counts."""
    if not letters:
        return []
    from kafka import KafkaProducer
    from kafka.errors import KafkaError

    mark = topics.DEAD_LETTERS.name(settings)
    try:
        producer = KafkaProducer(**client_kwargs(settings), acks="all", max_request_size=topics.EVENTS.max_record_bytes)
        try:
            acks = [
                producer.send(
                    letter.topic,
                    key=letter.key,
                    value=letter.raw,
                    partition=letter.partition,
                    headers=[(REDRIVE_HEADER, letter.origin.encode())],
                )
                for letter in letters
            ]
            for letter, ack in zip(letters, acks, strict=True):
                ack.get(timeout=SEND_TIMEOUT_S)
                producer.send(mark, key=letter.origin.encode(), value=_noted(letter), partition=letter.place[0])
                sent(letter.origin)
            producer.flush(timeout=SEND_TIMEOUT_S)
        finally:
            producer.close()
    except KafkaError as error:
        raise TopicsError(f"the redrive ended half way: {error!r}. Run it again: what was sent is marked") from error
    return [letter.origin for letter in letters]


def _noted(letter: Letter) -> bytes:
    """The letter as it was written, with its count of redrives raised by one."""
    noted = {"redrives": letter.redrives + 1, "redriven_at_ms": time.time_ns() // 1_000_000}
    return orjson.dumps(orjson.loads(letter.written) | noted)


def _letters(settings: Settings, bytes_too: bool = True) -> Iterator[Letter | None]:
    for record in tail(settings, topics.DEAD_LETTERS.name(settings)):
        yield parse(record.value, (record.partition, record.offset), bytes_too)


def _keep(index: dict[str, Letter], letter: Letter) -> None:
    """Keep one letter for each origin: the first one, with the highest count of redrives."""
    first = index.setdefault(letter.origin, letter)
    if letter.redrives > first.redrives:
        index[letter.origin] = replace(first, redrives=letter.redrives, redriven_at_ms=letter.redriven_at_ms)


def _refetched(settings: Settings, letter: Letter) -> Letter:
    records: Iterable[Any] = ()
    try:
        if letter.topic_id and letter.topic_id != _topic_id(settings, letter.topic):
            return letter  # this offset now holds another record
        records = tail(settings, letter.topic, partition=letter.partition, start=letter.offset)
        record = next(iter(records), None)
    except TopicsError:
        return letter
    if record is None or record.offset != letter.offset or record.value is None:
        return letter
    return replace(
        letter,
        key=record.key,
        key_length=None if record.key is None else len(record.key),
        raw=record.value,
        raw_length=len(record.value),
    )


def _topic_id(settings: Settings, topic: str) -> str:
    """Short id of a topic as it is now."""
    with Admin(settings.broker, settings) as admin:
        return short(admin.ids([topic]).get(topic, ""))
