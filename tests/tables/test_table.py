"""A table rebuilt from what it wrote equals the table that wrote it, whatever happened in between."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.tables.compiled import INTERPRETED
from streams.tables.ordering import distinct, grouped, order_of
from streams.tables.table import SEGMENT_ROWS, Table

TEXTS = [*"abcdefghijklé\0", ""]
NUMBERS = [0, 1, -1, 2**62, -(2**63), *(k << 58 for k in range(1, 12))]  # many of them begin at the same slot


@st.composite
def steps(draw: st.DrawFn) -> tuple[bool, list[tuple[str, Any]]]:
    """Whether keys are integers, and what happens to a table of such keys."""
    integers = draw(st.booleans())
    key = st.sampled_from(NUMBERS if integers else TEXTS)
    step = st.one_of(
        st.tuples(st.just("ensure"), st.lists(key, max_size=5)),
        st.tuples(st.just("set"), st.tuples(key, st.integers(-(2**40), 2**40))),
        st.tuples(st.just("free"), st.lists(key, max_size=3, unique=True)),
        st.tuples(st.just("delta"), st.none()),
        st.tuples(st.just("recover"), st.none()),
    )
    return integers, draw(st.lists(step, max_size=40))


def table(integers: bool = False) -> Table:
    return Table("t", {"n": "i8", "w": "f4", "h": "u8", "name": "text"}, integers=integers)


def perform(target: Table, action: str, argument: Any) -> None:
    if action == "ensure":
        target.ensure(argument)
    elif action == "set":
        key, value = argument
        rows, _ = target.ensure([key])
        target["n"][rows], target["w"][rows], target["h"][rows] = value, value / 7, abs(value)
        target.texts("name")[int(rows[0])] = f"name {value}"
        target.touch(rows)
    elif action == "free":
        rows = target.find(argument)
        target.free(rows[rows >= 0])


@settings(max_examples=200)
@given(steps())
def test_deltas_in_order_rebuild_the_table_and_its_future_rows(drawn: tuple[bool, list[tuple[str, Any]]]) -> None:
    integers, actions = drawn
    live, log = table(integers), []
    steady = table(integers)
    for action, argument in actions:
        if action == "delta":
            log.append(live.take_delta())
        elif action == "recover":
            log.append(live.take_delta())
            live = table(integers)
            for payload in filter(None, log):
                live.apply(payload)
            live.recovered()
        else:
            perform(live, action, argument)
            perform(steady, action, argument)
    assert live.difference(steady) == 0
    assert dict(live.items()) == dict(steady.items())  # the same key in the same row
    assert live.rows().tolist() == sorted(row for _, row in live.items())
    probe = [91, 92, 93] if integers else ["new1", "new2", "new3"]
    assert live.ensure(probe)[0].tolist() == steady.ensure(probe)[0].tolist()


@given(st.booleans(), st.data())
def test_ensure_gives_each_key_one_row_and_names_the_created_ones_in_order(integers: bool, data: st.DataObject) -> None:
    keys = data.draw(st.lists(st.sampled_from(NUMBERS if integers else TEXTS), max_size=30))
    t = table(integers)
    rows, made = t.ensure(keys)
    assert list(t.keys_of(rows)) == keys
    assert list(t.keys_of(made)) == list(dict.fromkeys(keys))
    assert [t.key(row) for row in made.tolist()] == list(dict.fromkeys(keys))
    again, none = t.ensure(keys)
    assert again.tolist() == rows.tolist() == t.find(keys).tolist()
    assert not none.size


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_integers_are_found_as_in_a_dictionary(seed: int) -> None:
    rng, t = np.random.default_rng(seed), table(integers=True)
    row_of: dict[int, int] = {}
    for _ in range(12):
        keys = rng.integers(0, 3_000, int(rng.integers(1, 2_000))) << int(rng.integers(0, 40))
        rows, _ = t.ensure(keys)
        row_of |= dict(zip(keys.tolist(), rows.tolist(), strict=True))
        gone = np.unique(rng.choice(keys, len(keys) // 3))
        t.free(t.find(gone))
        for key in gone.tolist():
            del row_of[key]
        assert dict(t.items()) == row_of
        assert t.find(keys).tolist() == [row_of.get(key, -1) for key in keys.tolist()]
        assert len(t) == len(row_of)


@pytest.mark.parametrize("integers", [False, True])
def test_segments_cover_the_table_and_rebuild_it(integers: bool) -> None:
    live = table(integers)
    keys = np.arange(SEGMENT_ROWS * 2 + 5)
    rows, _ = live.ensure(keys if integers else [str(key) for key in keys])
    live["n"][rows] = np.arange(len(rows))
    live.free(rows[3:9])
    other = table(integers)
    for index in range(live.segments()):
        other.apply(live.segment(index))
    other.recovered()
    assert live.difference(other) == 0
    assert other.ensure([-5] if integers else ["next"])[0].tolist() == [3]


def test_a_delta_holds_only_what_changed() -> None:
    live = table(integers=True)
    live.ensure(np.arange(1000))
    assert live.take_delta()
    assert live.take_delta() == b""
    live.touch(np.array([5, 5]))
    assert len(live.take_delta()) < 200


@pytest.mark.parametrize(("integers", "key", "other"), [(False, "a", "b"), (True, 7, 8)])
def test_freed_rows_read_as_zero_when_they_are_used_again(integers: bool, key: Any, other: Any) -> None:
    live = table(integers)
    perform(live, "set", (key, 9))
    live.free(live.find([key]))
    with pytest.raises(KeyError):
        live.key(0)
    rows, _ = live.ensure([other])
    assert live["n"][rows].tolist() == [0]
    assert live.texts("name")[int(rows[0])] == ""
    with pytest.raises(KeyError):
        live.free(np.array([0, 0]))


@pytest.mark.skipif(INTERPRETED, reason="records are of a class of their own then, which is a view")
@pytest.mark.parametrize("integers", [False, True])
def test_what_grows_stays_where_it_lies_unless_somebody_looks_at_it(integers: bool) -> None:
    live = table(integers)
    live.ensure(np.arange(5) if integers else list("abcde"))
    live["n"][:5] = np.arange(5)
    before = live.records
    del before
    arrays = [id(live.records), id(live.view.rows.keys), id(live.view.rows.changed)]
    live.reserve(10_000)
    assert [id(live.records), id(live.view.rows.keys), id(live.view.rows.changed)] == arrays
    seen = live["n"]
    live.reserve(100_000)
    assert id(live.records) != arrays[0]
    seen[0] = 7  # what somebody looked at is still there, and of no concern to the table
    assert live["n"][:5].tolist() == [0, 1, 2, 3, 4]
    assert not live["n"][5:].any()


def test_difference_sees_numbers_text_and_keys() -> None:
    one, other = table(), table()
    perform(one, "set", ("a", 1))
    perform(other, "set", ("a", 4))
    assert one.difference(other) == float("inf")  # the names differ
    other.texts("name")[0] = one.texts("name")[0]
    assert one.difference(other) == 3
    other.ensure(["b"])
    assert one.difference(other) == float("inf")


@given(st.lists(st.integers(0, (1 << 31) - 1) | st.integers(0, 3)), st.sampled_from(["i4", "i8"]))
def test_row_numbers_are_ordered_and_grouped_as_numpy_does_it(rows: list[int], dtype: str) -> None:
    some = np.array(rows, dtype)
    assert order_of(some).tolist() == np.argsort(some, kind="stable").tolist()
    values, index = np.unique(some, return_inverse=True)
    assert [column.tolist() for column in grouped(some)] == [values.tolist(), index.tolist()]
    assert distinct(some).tolist() == values.tolist()
