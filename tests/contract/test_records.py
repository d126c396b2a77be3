"""The vocabulary is complete, documented and closed where it says so."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from msgspec.inspect import IntType, ListType, StrType, StructType

from streams.contract.codes import KIND_CODES, STANCE_CODES, VERDICT_CODES
from streams.contract.record_fields import Field, fields_of
from streams.contract.records import RECORDS, Event, Record, Ruling
from streams.contract.words import DeadLetterCode, Documented, Verdict


def members(spec: Field) -> tuple[Field, ...]:
    """Of an object, or of each object in an array."""
    inner = spec.shape.item_type if isinstance(spec.shape, ListType) else spec.shape
    return fields_of(inner.cls) if isinstance(inner, StructType) else ()


def every_field() -> Iterator[tuple[str, Field]]:
    """Every field of every record, members of members included, with its path."""

    def walk(prefix: str, fields: tuple[Field, ...]) -> Iterator[tuple[str, Field]]:
        for field in fields:
            yield f"{prefix}.{field.name}", field
            yield from walk(f"{prefix}.{field.name}", members(field))

    for record in RECORDS:
        yield from walk(record.NAME, fields_of(record))


@pytest.mark.parametrize(("path", "field"), list(every_field()), ids=[path for path, _ in every_field()])
def test_every_field_has_one_sentence(path: str, field: Field) -> None:
    assert field.doc[0].isupper() or field.doc.startswith(("`", "("))
    assert field.doc.endswith(".")
    assert len(field.doc.split(" Cut at")[0]) < 120


@pytest.mark.parametrize("words", Documented.__subclasses__())
def test_every_word_has_one_sentence(words: type[Documented]) -> None:
    assert words.__doc__
    for word in words:
        assert word.doc.endswith("."), word


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.NAME)
def test_names_in_a_record_are_unique_and_times_bear_their_unit(record: type[Record]) -> None:
    names = record.__struct_fields__
    assert len(set(names)) == len(names)
    assert [name for name in names if name.endswith(("_at", "_time", "_ts"))] == []


def test_the_contract_of_an_event_and_of_a_ruling() -> None:
    assert [(f.name, f.required) for f in fields_of(Event)] == [
        ("v", True), ("id", True), ("kind", True), ("source_id", True), ("occurred_at_ms", True), ("parent_id", False),
        ("root_id", False), ("claim_id", False), ("url", False), ("text", False), ("stance", False),
        ("community_id", False), ("lang", False),
    ]  # fmt: skip
    assert [(f.name, f.required) for f in fields_of(Ruling)] == [
        ("v", True), ("id", True), ("claim_id", True), ("version", True), ("verdict", True), ("rater_id", True),
        ("ruled_at_ms", True), ("kind", True), ("event_id", False), ("url", False), ("note", False),
        ("original", False),
    ]  # fmt: skip


def test_the_codes_used_in_blocks_never_change() -> None:
    assert KIND_CODES == {
        "post": 0, "reshare": 1, "reply": 2, "reaction": 3, "report": 4, "follow": 5, "delete": 6, "update": 7,
    }  # fmt: skip
    assert STANCE_CODES == {None: 0, "support": 1, "deny": 2, "query": 3, "comment": 4}
    assert VERDICT_CODES == {"withdrawn": 0, "true": 1, "false": 2, "mixed": 3}
    assert set(VERDICT_CODES) == {str(verdict) for verdict in Verdict}


def test_the_list_of_dead_letter_codes_only_grows() -> None:
    assert {
        "empty", "oversize", "key_not_utf8", "not_utf8", "too_deep", "not_json", "not_object", "unsupported_version",
        "missing_field", "wrong_type", "empty_id", "too_long", "control_character", "out_of_range", "unknown_kind",
        "unknown_stance", "unknown_verdict", "absurd_clock", "orphan", "unknown_rater", "id_conflict",
    } <= {str(code) for code in DeadLetterCode}  # fmt: skip


def test_every_limit_is_stated_for_input_that_anybody_may_send() -> None:
    for record in (Event, Ruling):
        for field in fields_of(record):
            if isinstance(field.shape, StrType):
                assert field.max_length, field.name
            if isinstance(field.shape, IntType):
                assert field.shape.ge is not None, field.name
                assert field.shape.le is not None, field.name
