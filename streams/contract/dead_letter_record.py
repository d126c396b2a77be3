"""The dead letter: what a stage writes about a record that it refused."""

from __future__ import annotations

from typing import Annotated, ClassVar

from streams.contract.record_fields import (
    Count,
    Ms,
    Record,
    chars,
    doc,
    form,
)
from streams.contract.words import (
    TRACE_CHARS_MAX,
    DeadLetterCode,
)


class DeadLetter(Record, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A record that a stage refused, with the reason and the bytes; (topic, topic_id, partition, offset) identifies
    it."""

    NAME: ClassVar = "dead-letter"
    VERSION: ClassVar = 1

    v: Annotated[int, form(1)]
    code: Annotated[DeadLetterCode, doc("Why it was refused.")]
    detail: Annotated[str, chars(500, "What exactly was wrong, for a person.")]
    topic: Annotated[str, chars(249, "Topic that the record was read from.")]
    topic_id: (
        Annotated[str, chars(64, "Begin of the topic's id, where it may be deleted and made anew: an input topic.")]
        | None
    ) = None
    partition: Annotated[Count, doc("Partition of that topic.")]
    offset: Annotated[Count, doc("Offset in that partition.")]
    append_ms: Annotated[Ms, doc("Broker's time of the record, milliseconds since 1970.")]
    stage: Annotated[str, chars(64, "The stage that refused it.")]
    key_b64: (
        Annotated[str, chars(1_368, "The record's key in base64, cut at 1,024 bytes; absent if it had none.")] | None
    ) = None
    key_length: Annotated[Count, doc("Length of the whole key, bytes.")] | None = None
    raw: (
        Annotated[
            str,
            doc("The record's value in base64, cut at 65,536 bytes; absent if it had none or the stage had lost it."),
        ]
        | None
    ) = None
    raw_sha256: Annotated[str, chars(64, "SHA-256 of the whole value in hexadecimal; absent with `raw`.")] | None = None
    raw_length: Annotated[Count, doc("Length of the whole value, bytes; absent with `raw`.")] | None = None
    redrive_of: (
        Annotated[
            str, chars(TRACE_CHARS_MAX, "Origin of the dead letter that this record was redriven from, if it was.")
        ]
        | None
    ) = None
    redrives: Annotated[Count, doc("How often this record was redriven, if it was.")] | None = None
    redriven_at_ms: Annotated[Ms, doc("When it was last redriven, milliseconds since 1970.")] | None = None
