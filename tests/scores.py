"""Score and flag records for tests, and a way to publish them as the stages do."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

from streams.contract.settings import Settings
from streams.contract.topics import CLAIM_SCORES, COMMUNITIES, FLAGS, SOURCE_SCORES, Topic, partition_of

T0_MS = 1_764_000_000_000


def claim(id_: str, **changes: Any) -> dict[str, Any]:
    """A claim's score record."""
    record = {
        "v": 1, "claim_id": id_, "version": 1, "core_version": "1.0+p0", "as_of_ms": T0_MS, "score": 0.2, "low": 0.1,
        "high": 0.3, "risk": 0.8, "events": 41, "participants": 33, "supports": 21, "denies": 6,
        "first_event_ms": T0_MS - 3_600_000, "last_event_ms": T0_MS - 5_000, "verdict": None, "flagged": False,
    }  # fmt: skip
    return record | changes


def source(id_: str, **changes: Any) -> dict[str, Any]:
    """A source's score record."""
    record = {
        "v": 1, "source_id": id_, "version": 1, "core_version": "1.0+p0", "as_of_ms": T0_MS, "credibility": 0.8,
        "low": 0.6, "high": 0.9, "events": 12, "claims": 9, "right": 5, "wrong": 1, "insight": 0.5,
    }  # fmt: skip
    return record | changes


def community(id_: str, **changes: Any) -> dict[str, Any]:
    """A community's record."""
    record = {
        "v": 1, "community_id": id_, "version": 1, "core_version": "1.0+p0", "as_of_ms": T0_MS, "members": 240,
        "claims": 91, "settled": 22, "enough_evidence": True, "echo_index": 0.1, "low": 0.02, "high": 0.2,
        "accuracy": 0.63, "insularity": -0.4, "dissent": 0.2, "hidden_dissent": 0.1, "correction_half_life_h": None,
        "origins": 3.2, "concentration": 0.41, "bridging": 0.52,
    }  # fmt: skip
    return record | changes


def flag(id_: str, subject: str, revision: int = 1, **changes: Any) -> dict[str, Any]:
    """A flag record about a claim."""
    record = {
        "flag_id": id_, "revision": revision, "schema_version": 2, "action": "raise",
        "subject": {"type": "claim", "id": subject}, "label": "likely-false", "policy_id": "p", "rule_id": "r/1",
        "severity": "high", "priority": 70, "risk": 0.8, "score": 0.2, "claim_version": 1, "confidence": 0.9,
        "threshold": 0.74, "score_version": "1.0+p0", "reasons": [{"code": "history", "weight": 1.2}],
        "source": "automated", "event_time_ms": T0_MS, "detected_at_ms": T0_MS + 7, "trace_id": "trust.by-claim.v1/0/7",
    }  # fmt: skip
    return record | changes


def publish(settings: Settings, records: Iterable[dict[str, Any] | tuple[Topic, str, bytes | None]]) -> None:
    """Publish records where the stages would; a tuple is any topic, key and raw value."""
    from kafka import KafkaProducer

    with KafkaProducer(bootstrap_servers=settings.broker) as producer:
        for record in records:
            topic, key, value = record if isinstance(record, tuple) else _placed(record)
            # The engine's marks begin with a zero byte and are on every partition; here on the first.
            partition = 0 if key.startswith("\x00") else partition_of(key, settings.partitions)
            producer.send(topic.name(settings), key=key.encode(), value=value, partition=partition)
        producer.flush()


def _placed(record: dict[str, Any]) -> tuple[Topic, str, bytes]:
    if "flag_id" in record:
        return FLAGS, record["subject"]["id"], orjson.dumps(record)
    if "claim_id" in record:
        return CLAIM_SCORES, record["claim_id"], orjson.dumps(record)
    if "community_id" in record:
        return COMMUNITIES, record["community_id"], orjson.dumps(record)
    return SOURCE_SCORES, record["source_id"], orjson.dumps(record)
