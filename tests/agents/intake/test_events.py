"""Events to columns: every field finds its column, every fault its code, and nothing is lost in between."""

from __future__ import annotations

import itertools
import random
from typing import Any

import numpy as np
import pytest

from load_tests.hostile import EVENT_FAULTS, EVENT_MENDS, hostile_events
from streams.agents.intake.careful import Limits
from streams.agents.intake.events import decode_events
from streams.contract.record_fields import fields_of
from streams.contract.records import Event
from streams.contract.words import DeadLetterCode as Code
from streams.contract.words import Mend
from streams.tables import block_wire, blocks
from streams.tables.categorical import Categorical
from tests.agents.intake.fetched import EVENT, NOW_MS, fetched

LIMITS = Limits()


def one(value: Any, **how: Any) -> dict[str, Any]:
    block, rejects = decode_events([fetched(value, **how)], 3, LIMITS)
    assert not rejects, rejects[0].detail
    return {name: column[0] for name, column in block.columns.items()}


def code(value: Any, **how: Any) -> str:
    block, rejects = decode_events([fetched(value, **how)], 3, LIMITS)
    assert len(block) == 0
    assert len(rejects) == 1
    return str(rejects[0].code)


def test_every_field_reaches_its_column() -> None:
    text = "A text that is long enough to be recognised when it is copied"
    row = one(EVENT | {"community_id": "m", "text": text, "stance": "deny"})
    assert {name: row[name] for name in "sciktmxr" if name in row} == {
        "s": "ana", "c": "c1", "i": "e1", "t": NOW_MS - 60_000, "m": "m", "x": 2, "r": 0,
    }  # fmt: skip
    assert row["kind"] == 2
    assert row["g"] != 0


def test_the_block_has_the_columns_types_and_origins_that_blocks_declare() -> None:
    block, _ = decode_events([fetched(EVENT, offset=7), fetched(b"", offset=8), fetched(EVENT, offset=9)], 3, LIMITS)
    assert (block.kind, block.up, block.origin.tolist()) == ("events", "e/3", [7, 9])
    assert list(block.columns) == list(blocks.COLUMNS["events"])
    for name, dtype in blocks.COLUMNS["events"].items():
        column = block[name]
        assert len(column) == 2
        types = {blocks.TEXT: list, blocks.WORD: Categorical}
        assert isinstance(column, types[dtype]) if dtype in types else column.dtype == np.dtype(dtype)
    assert block_wire.decode(block_wire.encode(block))["h"].tolist() == block["h"].tolist()


def test_a_fetch_without_a_valid_record_gives_a_block_without_rows() -> None:
    block, rejects = decode_events([fetched(b"x")], 0, LIMITS)
    assert (len(block), len(rejects)) == (0, 1)
    block, rejects = decode_events([], 0, LIMITS)
    assert (len(block), len(rejects)) == (0, 0)


@pytest.mark.parametrize("name", EVENT_FAULTS)
def test_a_hostile_event_gets_the_code_of_its_fault(name: str) -> None:
    for seed in range(30 if "MB" not in name else 1):
        expected, value, *key = EVENT_FAULTS[name](random.Random(seed), NOW_MS)
        assert code(value, key=key[0] if key else None) == expected, value


@pytest.mark.parametrize("name", EVENT_MENDS)
def test_what_names_nothing_is_mended_and_its_event_counts(name: str) -> None:
    for seed in range(30):
        expected, value = EVENT_MENDS[name](random.Random(seed), NOW_MS)
        mended: list[Mend] = []
        block, rejects = decode_events([fetched(value)], 3, LIMITS, mended)
        assert (len(block), rejects, mended) == (1, [], [expected]), value


def test_what_is_refused_all_the_same_was_not_mended() -> None:
    mended: list[Mend] = []
    orphan = EVENT | {"claim_id": None, "text": "x" * 10_001}
    assert len(decode_events([fetched(orphan), fetched(EVENT)], 3, LIMITS, mended)[1]) == 1
    assert mended == []


def test_a_mended_text_is_recognised_and_is_the_same_content_however_it_was_written() -> None:
    raw = fetched(EVENT | {"text": "A text that is long enough to be recognised @@"}).value
    escaped, bare, mended = (one(raw.replace(b"@@", half)) for half in (b"\\ud83d", b"\xff", "\ufffd".encode()))
    assert escaped == bare == mended
    assert one(EVENT | {"text": "x" * 10_001}) == one(EVENT | {"text": "x" * 10_000})
    assert one(EVENT | {"text": 7, "url": [], "lang": {}}) == one(EVENT)


def test_a_name_with_a_replacement_character_of_its_own_is_taken_beside_a_mended_text() -> None:
    value = fetched(EVENT | {"source_id": "an\ufffda", "text": "@"}).value.replace(b"@", b"\\ud83d")
    assert one(value)["s"] == "an\ufffda"


def test_hostile_events_between_good_ones_change_no_row() -> None:
    hostile = list(itertools.islice(hostile_events(1, NOW_MS), 3_000))
    good = [EVENT | {"id": f"e{n}"} for n in range(3_000)]
    mixed = [
        record
        for n, (event, bad) in enumerate(zip(good, hostile, strict=True))
        for record in (fetched(event, offset=2 * n), fetched(bad.value, offset=2 * n + 1, key=bad.key))
    ]
    block, rejects = decode_events(mixed, 3, LIMITS)
    alone, none = decode_events([fetched(event, offset=2 * n) for n, event in enumerate(good)], 3, LIMITS)
    assert not none
    assert [r.code for r in rejects] == [bad.code for bad in hostile]
    assert [r.record.offset for r in rejects] == list(range(1, 6_000, 2))
    assert block_wire.encode(block) == block_wire.encode(alone)


@pytest.mark.parametrize(
    ("event", "claim"),
    [
        ({"claim_id": "c", "root_id": "r"}, "c"),
        ({"claim_id": None, "root_id": "r"}, "r"),
        ({"claim_id": None, "kind": "post"}, "e1"),
        ({"kind": "delete"}, ""),
        ({"claim_id": None, "kind": "delete", "root_id": "r"}, ""),
        ({"claim_id": None, "kind": "update", "stance": "deny"}, ""),
    ],
)
def test_a_claim_is_named_by_its_claim_id_else_its_root_else_the_post_itself_and_a_correction_names_none(
    event: dict[str, Any], claim: str
) -> None:
    assert one(EVENT | event)["c"] == claim


@pytest.mark.parametrize(
    ("event", "stance", "text"),
    [({"stance": "deny"}, 2, 0), ({"text": "no more"}, 0, 1), ({"text": ""}, 0, 1), ({"text": None}, 0, 0)],
)
def test_an_update_brings_a_stance_or_a_text_or_both(event: dict[str, Any], stance: int, text: int) -> None:
    row = one(EVENT | {"kind": "update", "claim_id": None} | event)
    assert (row["x"], row["r"]) == (stance, text)


@pytest.mark.parametrize("kind", ["reshare", "reply", "reaction", "report", "follow"])
def test_only_a_post_may_start_a_claim(kind: str) -> None:
    assert code(EVENT | {"kind": kind, "claim_id": None}) == Code.ORPHAN


@pytest.mark.parametrize(
    ("kind", "stance", "effective"),
    [
        ("post", None, 1), ("reshare", None, 1), ("reply", None, 0), ("reaction", None, 0), ("follow", None, 0),
        ("delete", None, 0), ("post", "deny", 2), ("reply", "support", 1), ("reply", "deny", 2), ("post", "query", 3),
        ("reply", "query", 3), ("reshare", "comment", 4),
    ],
)  # fmt: skip
def test_the_effective_stance(kind: str, stance: str | None, effective: int) -> None:
    assert one(EVENT | {"kind": kind, "stance": stance})["x"] == effective


@pytest.mark.parametrize(
    ("event", "root"),
    [
        ({"kind": "post"}, 1),
        ({"kind": "post", "root_id": "e1"}, 1),
        ({"kind": "post", "root_id": "e0"}, 0),
        ({"kind": "post", "parent_id": "e0"}, 0),
        ({"kind": "reply"}, 0),
        ({"kind": "delete"}, 0),
    ],
)
def test_a_root_is_a_post_that_answers_nothing(event: dict[str, Any], root: int) -> None:
    assert one(EVENT | event)["r"] == root


@pytest.mark.parametrize(
    ("ahead_ms", "expected"),
    [(-1, NOW_MS - 1), (0, NOW_MS), (1, NOW_MS), (86_400_000, NOW_MS), (86_400_001, Code.ABSURD_CLOCK)],
)
def test_a_clock_that_runs_ahead_is_clamped_to_the_append_time_and_refused_after_a_day(
    ahead_ms: int, expected: object
) -> None:
    event = EVENT | {"occurred_at_ms": NOW_MS + ahead_ms}
    assert (code(event) if expected is Code.ABSURD_CLOCK else one(event)["t"]) == expected


def test_a_clock_of_the_year_2000_is_taken_and_one_before_it_is_not() -> None:
    assert one(EVENT | {"occurred_at_ms": 946_684_800_000})["t"] == 946_684_800_000
    assert code(EVENT | {"occurred_at_ms": 946_684_799_999}) == Code.ABSURD_CLOCK


def test_unknown_fields_and_nulls_are_tolerated_and_change_nothing() -> None:
    plain = one(EVENT)
    assert one(EVENT | {"likes": [1, {"a": None}], "parent_id": None, "text": None}) == plain
    assert one(EVENT | {"future": "x", "note": "a\nb\u0000"}) == plain


def test_integers_may_be_written_as_json_schema_allows() -> None:
    assert one(EVENT | {"v": 1.0, "occurred_at_ms": float(NOW_MS - 60_000)}) == one(EVENT)


def test_the_content_hash_depends_on_the_fields_alone() -> None:
    content = one(EVENT)["h"]
    reordered = b'{ "claim_id":"c1", "more":1, ' + b",".join(
        [
            b'"source_id":"\\u0061na"',
            b'"kind":"reply"',
            b'"id":"e1"',
            b'"v":1',
            b'"occurred_at_ms":%d}' % EVENT["occurred_at_ms"],
        ]
    )
    assert one(reordered)["h"] == content
    assert one(EVENT, append_ms=NOW_MS - 3_600_000)["h"] == content, "a second delivery is the same content"


@pytest.mark.parametrize(
    "name", [f.name for f in fields_of(Event) if f.name not in ("v", "kind", "stance", "occurred_at_ms")]
)
def test_the_content_hash_tells_any_field_apart(name: str) -> None:
    assert one(EVENT | {name: "x"})["h"] != one(EVENT | {name: "y"})["h"] != one(EVENT)["h"]


def test_the_content_hash_tells_fields_of_the_same_text_apart() -> None:
    assert one(EVENT | {"parent_id": "x"})["h"] != one(EVENT | {"root_id": "x"})["h"]


@pytest.mark.parametrize("name", [f.name for f in fields_of(Event) if f.identifier])
def test_control_characters_are_refused_in_every_identifier_and_taken_in_text(name: str) -> None:
    for control in ("\x00", "\n", "\x1f"):
        assert code(EVENT | {name: f"a{control}"}) == Code.CONTROL_CHARACTER
        one(EVENT | {"text": control, name: "a\u200b \x7f\u00a0b"})


def test_limits_are_inclusive() -> None:
    one(EVENT | {"id": "漢" * 256, "text": "é" * 10_000})
    assert code(EVENT | {"id": "漢" * 257}) == Code.TOO_LONG
    exact = EVENT | {"pad": ""}
    exact["pad"] = "x" * (65_536 - len(fetched(exact).value))
    one(exact)
    assert code(exact | {"pad": exact["pad"] + "x"}) == Code.OVERSIZE


def nested(levels: int) -> bytes:
    return fetched(EVENT).value[:-1] + b',"deep":' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}"


def test_nesting_is_counted_in_levels_not_in_brackets() -> None:
    one(nested(64))
    assert code(nested(65)) == Code.TOO_DEEP
    one(EVENT | {"text": "[[[" * 100, "wide": [[] for _ in range(100)]})


def test_of_several_faults_the_first_of_the_list_is_named() -> None:
    assert code(EVENT | {"v": 2, "id": ""}) == Code.UNSUPPORTED_VERSION
    assert code(EVENT | {"id": "", "kind": "nope", "claim_id": None}) == Code.EMPTY_ID
    assert code(b"\xff", key=b"\xff") == Code.KEY_NOT_UTF8


def test_an_operator_may_narrow_size_and_clock() -> None:
    limits = Limits(value_bytes_max=200, clock_ahead_max_ms=1_000)
    late = fetched(EVENT | {"occurred_at_ms": NOW_MS + 2_000})
    long = fetched(EVENT | {"text": "x" * 200}, offset=1)
    assert [r.code for r in decode_events([late, long], 0, limits)[1]] == [Code.ABSURD_CLOCK, Code.OVERSIZE]
