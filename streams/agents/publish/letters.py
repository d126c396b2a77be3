"""Dead letters: records that tell of refused ones, with the reason, the origin and the bytes."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass

from streams.contract.record_dicts import DeadLetterDict
from streams.contract.records import DeadLetter
from streams.contract.words import EVENT_BYTES_MAX, DeadLetterCode
from streams.engine.fetched import LogRecord

KEY_BYTES_MAX = 1_024
"""Where a dead letter cuts the record's key, bytes."""
DETAIL_CHARS_MAX = 500
ORIGIN_CHARS_MAX = 300
REDRIVE_HEADER = "credence-redrive"
"""Header of a record that was redriven from a dead letter. It holds the origin that the letter names."""


def origin_of(topic: str, partition: int, offset: int, topic_id: str = "") -> str:
    """What a refused record is known by: topic/partition/offset, with @ and the topic's short id if that is known.

    >>> origin_of("social.events.v1", 3, 17, "1f3c9a2e")
    'social.events.v1/3/17@1f3c9a2e'
    """
    return f"{topic}/{partition}/{offset}" + (f"@{topic_id}" if topic_id else "")


@dataclass(frozen=True, slots=True)
class Reject:
    """A record that was refused, with the code and a sentence for a person."""

    code: DeadLetterCode
    detail: str
    record: LogRecord


def dead_letter(
    code: DeadLetterCode,
    detail: str,
    *,
    topic: str,
    partition: int,
    offset: int,
    append_ms: int,
    stage: str,
    key: bytes | None = None,
    value: bytes | None = None,
    topic_id: str = "",
) -> DeadLetterDict:
    """A dead letter; what its fields mean is declared in `contract.dead_letter_record`.

    (topic, topic_id, partition, offset) names the refused record; readers keep one letter of each. A stage that no
    longer has the bytes leaves out `value`: they are still where the origin says.
    """
    letter: DeadLetterDict = {
        "v": DeadLetter.VERSION,
        "code": str(code),
        "detail": detail[:DETAIL_CHARS_MAX],
        "topic": topic,
        "partition": partition,
        "offset": offset,
        "append_ms": append_ms,
        "stage": stage,
    }
    if topic_id:
        letter["topic_id"] = topic_id
    if key is not None:
        letter["key_b64"] = base64.b64encode(key[:KEY_BYTES_MAX]).decode()
        letter["key_length"] = len(key)
    if value is not None:
        letter["raw"] = base64.b64encode(value[:EVENT_BYTES_MAX]).decode()
        letter["raw_sha256"] = hashlib.sha256(value).hexdigest()
        letter["raw_length"] = len(value)
    return letter


def of_reject(reject: Reject, topic: str, partition: int, stage: str, topic_id: str = "") -> DeadLetterDict:
    """The dead letter of a record that could not be decoded."""
    record = reject.record
    letter = dead_letter(
        reject.code,
        reject.detail,
        topic=topic,
        partition=partition,
        offset=record.offset,
        append_ms=record.timestamp,
        stage=stage,
        key=record.key,
        value=record.value,
        topic_id=topic_id,
    )
    for name, content in record.headers:
        if name == REDRIVE_HEADER and content:
            letter["redrive_of"] = content.decode("utf-8", "replace")[:ORIGIN_CHARS_MAX]
    return letter
