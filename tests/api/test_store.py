"""The store of the query service: newest record by key, ordered reads, pages that neither skip nor repeat."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.api.listing import FLAGS_BY_PRIORITY, Lists
from streams.api.published import Entry
from streams.api.store import Store
from streams.contract.topics import CLAIM_SCORES, FLAGS, SOURCE_SCORES, Topic
from tests.scores import claim, flag, source


def entry(topic: Topic, key: str, value: Any) -> Entry:
    return Entry(topic, 0, 0, 0, key, value if isinstance(value, bytes | None) else orjson.dumps(value))


def claims(*records: dict[str, Any]) -> list[Entry]:
    return [entry(CLAIM_SCORES, record["claim_id"], record) for record in records]


def flags(*records: dict[str, Any]) -> list[Entry]:
    return [entry(FLAGS, record["subject"]["id"], record) for record in records]


def standing(
    store: Store, least: int = 0, cursor: str = "", limit: int = 100
) -> tuple[list[dict[str, Any]], str | None]:
    """A page of the flags that stand."""
    lists = Lists(store.path)
    filters = [("standing = ?", 1), ("priority >= ?", least)]
    page = asyncio.run(lists.page(FLAGS_BY_PRIORITY, filters, cursor, limit))
    lists.close()
    return page.records, page.next_cursor


def test_the_last_record_of_a_key_counts_and_a_deleted_key_is_gone() -> None:
    store = Store()
    store.apply([*claims(claim("a", risk=0.1), claim("b"), claim("a", risk=0.9)), entry(CLAIM_SCORES, "b", None)])
    assert store.claim("a") == claim("a", risk=0.9)
    assert store.claim("b") is None
    assert [record["claim_id"] for record in store.claims()] == ["a"]


def test_claims_come_riskiest_first_and_sources_busiest_first() -> None:
    store = Store()
    store.apply(claims(claim("low", risk=0.1), claim("high", risk=0.9)))
    store.apply(entry(SOURCE_SCORES, s["source_id"], s) for s in (source("calm", events=1), source("busy", events=99)))
    assert [record["claim_id"] for record in store.claims()] == ["high", "low"]
    assert [record["source_id"] for record in store.sources(limit=1)] == ["busy"]


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"no json",
        b"[]",
        b"7",
        b'{"claim_id": 7}',
        b'{"claim_id": "a"}',
        b'"a"',
        b'{"flag_id": {}, "revision": 1, "subject": {"id": "a"}, "action": "raise", "priority": 1}',
    ],
)
def test_values_that_are_no_scores_or_flags_are_passed_over(value: bytes) -> None:
    store = Store()
    assert (
        store.apply([entry(CLAIM_SCORES, "a", value), entry(SOURCE_SCORES, "a", value), entry(FLAGS, "a", value)]) == 0
    )
    assert [*store.claims(), *store.sources(), *store.flags_about("a")] == []


def test_a_flag_written_twice_or_late_does_not_go_back_to_an_older_revision() -> None:
    store = Store()
    raised, updated = flag("f", "a"), flag("f", "a", revision=2, action="update", priority=90)
    store.apply(flags(raised, updated, raised))
    assert standing(store) == ([updated], None)
    store.apply(flags(flag("f", "a", revision=3, action="retract"), updated))
    assert standing(store) == ([], None)
    assert [each["revision"] for each in store.flags_about("a")] == [3]


@given(st.lists(st.integers(0, 100), max_size=30), st.integers(1, 7), st.integers(0, 100))
def test_pages_give_every_open_flag_once_the_most_pressing_first(priorities: list[int], limit: int, least: int) -> None:
    store = Store()
    store.apply(flags(*(flag(f"f{n}", "a", priority=p) for n, p in enumerate(priorities))))
    seen: list[tuple[int, str]] = []
    cursor: str | None = ""
    while cursor is not None:
        page, cursor = standing(store, least, cursor, limit)
        seen += [(each["priority"], each["flag_id"]) for each in page]
    store.close()
    wanted = [(p, f"f{n}") for n, p in enumerate(priorities) if p >= least]
    assert seen == sorted(wanted, key=lambda each: (-each[0], each[1]))


def test_an_id_that_is_not_text_is_unknown_rather_than_a_failure() -> None:
    assert Store().claim("\ud800") is None
