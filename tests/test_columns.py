"""A table rebuilt from what it wrote equals the table that wrote it, whatever happened in between."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.columns import SEGMENT_ROWS, Table

KEYS = st.one_of(st.integers(0, 12), st.sampled_from("abcé\0"))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("ensure"), st.lists(KEYS, max_size=5)),
        st.tuples(st.just("set"), st.tuples(KEYS, st.integers(-(2**40), 2**40))),
        st.tuples(st.just("free"), st.lists(KEYS, max_size=3, unique=True)),
        st.tuples(st.just("delta"), st.none()),
        st.tuples(st.just("recover"), st.none()),
    ),
    max_size=40,
)


def table() -> Table:
    return Table("t", {"n": "i8", "w": "f4", "h": "u8"}, text=("name",))


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


@settings(deadline=None, max_examples=200)
@given(STEPS)
def test_deltas_in_order_rebuild_the_table_and_its_future_rows(steps: list[tuple[str, Any]]) -> None:
    live, log = table(), []
    steady = table()
    for action, argument in steps:
        if action == "delta":
            log.append(live.take_delta())
        elif action == "recover":
            log.append(live.take_delta())
            live = table()
            for payload in filter(None, log):
                live.apply(payload)
            live.recovered()
        else:
            perform(live, action, argument)
            perform(steady, action, argument)
    assert live.difference(steady) == 0
    assert dict(live.items()) == dict(steady.items())  # the same key in the same row
    probe = ["new1", "new2", "new3"]
    assert live.ensure(probe)[0].tolist() == steady.ensure(probe)[0].tolist()


@given(st.lists(KEYS, max_size=30))
def test_ensure_gives_each_key_one_row_and_names_the_created_ones_in_order(keys: list[Any]) -> None:
    t = table()
    rows, made = t.ensure(keys)
    assert t.keys_of(rows.tolist()) == keys
    assert t.keys_of(made.tolist()) == list(dict.fromkeys(keys))
    again, none = t.ensure(keys)
    assert again.tolist() == rows.tolist()
    assert not none.size


def test_segments_cover_the_table_and_rebuild_it() -> None:
    live = table()
    rows, _ = live.ensure(list(range(SEGMENT_ROWS * 2 + 5)))
    live["n"][rows] = np.arange(len(rows))
    live.free(rows[3:9])
    other = table()
    for index in range(live.segments()):
        other.apply(live.segment(index))
    other.recovered()
    assert live.difference(other) == 0
    assert other.ensure(["next"])[0].tolist() == [3]


def test_a_delta_holds_only_what_changed() -> None:
    live = table()
    live.ensure(list(range(1000)))
    assert live.take_delta()
    assert live.take_delta() == b""
    live.touch(np.array([5, 5]))
    assert len(live.take_delta()) < 200


def test_freed_rows_read_as_zero_when_they_are_used_again() -> None:
    live = table()
    perform(live, "set", ("a", 9))
    live.free(live.find(["a"]))
    rows, _ = live.ensure(["b"])
    assert live["n"][rows].tolist() == [0]
    assert live.texts("name")[int(rows[0])] == ""
    with pytest.raises(KeyError):
        live.free(np.array([0, 0]))


def test_difference_sees_numbers_text_and_keys() -> None:
    one, other = table(), table()
    perform(one, "set", ("a", 1))
    perform(other, "set", ("a", 4))
    assert one.difference(other) == float("inf")  # the names differ
    other.texts("name")[0] = one.texts("name")[0]
    assert one.difference(other) == 3
    other.ensure(["b"])
    assert one.difference(other) == float("inf")
