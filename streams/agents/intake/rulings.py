"""Rulings to columns. They are few, so each takes the careful path."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from xxhash import xxh3_64_intdigest

from streams.agents.intake.careful import Limits, Refusal, read
from streams.agents.publish.letters import Reject
from streams.contract.codes import VERDICT_CODES
from streams.contract.records import Ruling
from streams.contract.words import DeadLetterCode, Mend
from streams.engine.fetched import LogRecord
from streams.tables import blocks

_canonical = msgspec.msgpack.Encoder().encode


def decode_rulings(
    records: Sequence[LogRecord], partition: int, limits: Limits, mended: list[Mend] | None = None
) -> tuple[blocks.Block, list[Reject]]:
    """The rulings among fetched records as one block, and a reject for each of the others.

    As `decode_events`, with a block of kind "rulings". A rater who is not on the list of raters is refused.
    """
    rows: list[tuple[int, dict[str, Any]]] = []
    rejects: list[Reject] = []
    for record in records:
        try:
            fields, mends = read(record, Ruling, limits)
            if limits.raters and fields["rater_id"] not in limits.raters:
                raise Refusal(
                    DeadLetterCode.UNKNOWN_RATER, f"rater {fields['rater_id']!r} is not on the list of raters"
                )
        except Refusal as refusal:
            rejects.append(Reject(refusal.code, refusal.detail, record))
            continue
        if mended is not None:
            mended += mends
        fields["h"] = xxh3_64_intdigest(_canonical([fields.get(name) for name in Ruling.__struct_fields__]))
        fields["ruled_at_ms"] = min(fields["ruled_at_ms"], record.timestamp)
        rows.append((record.offset, fields))
    return _block(rows, partition), rejects


def _block(rows: list[tuple[int, dict[str, Any]]], partition: int) -> blocks.Block:
    fields = [ruling for _, ruling in rows]
    return blocks.make(
        "rulings",
        f"r/{partition}",
        [offset for offset, _ in rows],
        {
            "c": [f["claim_id"] for f in fields],
            "id": [f["id"] for f in fields],
            "ver": [f["version"] for f in fields],
            "verdict": [VERDICT_CODES[f["verdict"]] for f in fields],
            "rater": [f["rater_id"] for f in fields],
            "t": [f["ruled_at_ms"] for f in fields],
            "kind": [f["kind"] for f in fields],
            "event": [f.get("event_id", "") for f in fields],
            "url": [f.get("url") or "" for f in fields],
            "note": [f.get("note") or "" for f in fields],
            "h": [f["h"] for f in fields],
        },
    )
