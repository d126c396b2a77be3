"""Rulings to columns."""

from __future__ import annotations

import random
from typing import Any

import pytest

from load_tests.hostile import RULING_FAULTS
from streams.agents.intake.careful import Limits
from streams.agents.intake.rulings import decode_rulings
from streams.contract.words import DeadLetterCode as Code
from streams.contract.words import Mend
from streams.tables import block_wire, blocks
from tests.agents.intake.fetched import NOW_MS, RULING, fetched


def code(value: Any, limits: Limits | None = None) -> str:
    block, rejects = decode_rulings([fetched(value)], 3, limits or Limits())
    assert len(block) == 0
    return str(rejects[0].code)


def test_every_field_reaches_its_column() -> None:
    ruling = RULING | {
        "event_id": "e1",
        "url": "https://example.org",
        "note": "old",
        "original": {"ratingValue": 2},
        "more": 1,
    }
    block, rejects = decode_rulings([fetched(b"no"), fetched(ruling, offset=4), fetched(RULING, offset=9)], 3, Limits())
    assert [r.code for r in rejects] == [Code.NOT_JSON]
    assert (block.kind, block.up, block.origin.tolist()) == ("rulings", "r/3", [4, 9])
    assert list(block.columns) == list(blocks.COLUMNS["rulings"])
    assert {name: list(column) for name, column in block.columns.items()} == {
        "c": ["c1", "c1"],
        "id": ["r1", "r1"],
        "ver": [1, 1],
        "verdict": [2, 2],
        "rater": ["checkers", "checkers"],
        "t": [NOW_MS - 60_000] * 2,
        "kind": ["fact-check", "fact-check"],
        "event": ["e1", ""],
        "url": ["https://example.org", ""],
        "note": ["old", ""],
        "h": list(block["h"]),
    }
    assert block["h"][0] != block["h"][1]
    assert block_wire.decode(block_wire.encode(block))["ver"].tolist() == [1, 1]


@pytest.mark.parametrize(("verdict", "number"), [("withdrawn", 0), ("true", 1), ("false", 2), ("mixed", 3)])
def test_verdicts_have_the_codes_of_the_hop(verdict: str, number: int) -> None:
    block, _ = decode_rulings([fetched(RULING | {"verdict": verdict})], 3, Limits())
    assert block["verdict"].tolist() == [number]


def test_a_clock_ahead_of_the_broker_is_clamped() -> None:
    block, _ = decode_rulings([fetched(RULING | {"ruled_at_ms": NOW_MS + 5})], 3, Limits())
    assert block["t"].tolist() == [NOW_MS]


def test_a_list_of_raters_lets_nobody_else_rule() -> None:
    assert code(RULING, Limits(raters=frozenset({"others"}))) == Code.UNKNOWN_RATER
    assert not decode_rulings([fetched(RULING)], 3, Limits(raters=frozenset({"checkers", "others"})))[1]
    assert not decode_rulings([fetched(RULING)], 3, Limits())[1], "no list: anybody may rule"


@pytest.mark.parametrize("name", RULING_FAULTS)
def test_a_hostile_ruling_gets_the_code_of_its_fault(name: str) -> None:
    for seed in range(30 if "MB" not in name else 1):
        expected, value, *_ = RULING_FAULTS[name](random.Random(seed), NOW_MS)
        assert code(value) == expected, value


def test_the_content_hash_depends_on_the_fields_alone() -> None:
    written = [
        fetched(RULING),
        fetched(dict(reversed(RULING.items())) | {"version": 1.0, "more": 1}, append_ms=NOW_MS - 3_600_000),
    ]
    block, _ = decode_rulings(written, 3, Limits())
    assert block["h"][0] == block["h"][1]
    for name in ("id", "verdict", "kind", "event_id", "url", "note", "ruled_at_ms"):
        other = {"verdict": "true", "kind": "appeal", "ruled_at_ms": NOW_MS - 1}.get(name, "x")
        assert decode_rulings([fetched(RULING | {name: other})], 3, Limits())[0]["h"][0] != block["h"][0]


def test_what_names_nothing_is_mended_and_its_ruling_counts() -> None:
    odd = fetched(RULING | {"url": "u" * 3_000, "original": "@"}).value.replace(b"@", b"\\ud83d")
    mended: list[Mend] = []
    block, rejects = decode_rulings([fetched(odd), fetched(RULING | {"url": 7})], 3, Limits(), mended)
    assert not rejects
    assert list(block["url"]) == ["u" * 2_048, ""]
    assert sorted(mended) == [Mend.CUT, Mend.HALF_CHARACTER, Mend.WRONG_TYPE]


def test_no_valid_ruling_gives_a_block_without_rows() -> None:
    block, rejects = decode_rulings([], 0, Limits())
    assert (len(block), rejects) == (0, [])
