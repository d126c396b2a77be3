"""The dead letter of a refused record says why, where it was, and what it was."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

import jsonschema_rs

from streams.agents.intake.careful import Limits
from streams.agents.intake.events import decode_events
from streams.agents.publish.letters import dead_letter, of_reject
from streams.contract.words import DeadLetterCode as Code
from tests.agents.intake.fetched import EVENT, NOW_MS, fetched

SCHEMA = json.loads((Path(__file__).parents[3] / "schemas" / "dead-letter.v1.schema.json").read_text())


def letter(value: bytes | None, key: bytes | None = None) -> dict[str, object]:
    record = fetched(value, offset=17, key=key)
    made = of_reject(decode_events([record], 3, Limits())[1][0], "social.events.v1", 3, "intake")
    jsonschema_rs.validate(SCHEMA, made)
    return made


def test_it_names_reason_and_origin_and_holds_the_bytes() -> None:
    made = letter(b"\x00\xffhello", key=b"k")
    assert made == {
        "v": 1, "code": "not_utf8", "detail": "byte 1: invalid start byte", "topic": "social.events.v1", "partition": 3,
        "offset": 17, "append_ms": NOW_MS, "stage": "intake", "key_b64": "aw==", "key_length": 1, "raw": "AP9oZWxsbw==",
        "raw_sha256": hashlib.sha256(b"\x00\xffhello").hexdigest(), "raw_length": 7,
    }  # fmt: skip


def test_long_bytes_are_cut_and_their_length_and_hash_are_of_the_whole() -> None:
    value, key = b"x" * 1_000_000, b"k\xff" * 5_000
    made = letter(value, key)
    assert base64.b64decode(str(made["raw"])) == value[:65_536]
    assert base64.b64decode(str(made["key_b64"])) == key[:1_024]
    assert (made["raw_length"], made["key_length"]) == (1_000_000, 10_000)
    assert made["raw_sha256"] == hashlib.sha256(value).hexdigest()
    assert len(json.dumps(made)) < 100_000


def test_an_absent_value_and_key_stay_absent_and_an_empty_value_is_empty() -> None:
    assert letter(None).keys().isdisjoint({"raw", "raw_sha256", "raw_length", "key_b64"})
    assert letter(b"")["raw"] == ""
    assert letter(b"", key=b"")["key_b64"] == ""


def test_a_long_detail_is_cut() -> None:
    made = dead_letter(Code.ID_CONFLICT, "x" * 9_999, topic="t", partition=0, offset=0, append_ms=0, stage="sources")
    jsonschema_rs.validate(SCHEMA, made)


def test_details_stay_short_whatever_the_input() -> None:
    for value in (EVENT | {"kind": "k" * 9_000}, EVENT | {"id": "i" * 9_000}, EVENT | {"occurred_at_ms": 10**300}):
        assert len(str(letter(json.dumps(value).encode())["detail"])) < 500
