"""Fetched records for the tests of the codec: what aiokafka hands over, without a broker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.structs import ConsumerRecord

from streams.engine.fetched import Fetch

NOW_MS = 1_764_000_000_000

EVENT: dict[str, Any] = {
    "v": 1,
    "id": "e1",
    "kind": "reply",
    "source_id": "ana",
    "occurred_at_ms": NOW_MS - 60_000,
    "claim_id": "c1",
}
RULING: dict[str, Any] = {
    "v": 1,
    "id": "r1",
    "claim_id": "c1",
    "version": 1,
    "verdict": "false",
    "rater_id": "checkers",
    "ruled_at_ms": NOW_MS - 60_000,
    "kind": "fact-check",
}


def fetched(
    value: bytes | dict[str, Any] | None,
    offset: int = 0,
    key: bytes | None = None,
    append_ms: int = NOW_MS,
    topic: str = "social.events.v1",
    partition: int = 3,
) -> ConsumerRecord:
    """One record as it is fetched; a dict is sent as JSON."""
    raw = orjson.dumps(value) if isinstance(value, dict) else value
    return ConsumerRecord(topic, partition, offset, append_ms, 1, key, raw, None, 0, len(raw or b""), ())


def as_sent(records: Sequence[ConsumerRecord]) -> Fetch:
    """Records with consecutive offsets as one batch, the way the broker sends them."""
    batch = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 1 << 30)
    for i, record in enumerate(records):
        batch.append(i, record.timestamp, record.key, record.value, list(record.headers))
    data, first = bytearray(batch.build()), records[0].offset
    data[:8] = first.to_bytes(8, "big")
    return Fetch(bytes(data), first, records[-1].offset, records[-1].timestamp)
