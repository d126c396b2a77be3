"""Blocks survive the wire, and a fence cuts them where it stands."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.blocks import ANY, COLUMNS, TEXT, WORD, Block, decode, encode, make

RANGES = {"i1": (-128, 127), "i8": (-(2**63), 2**63 - 1), "u8": (0, 2**64 - 1)}


@st.composite
def blocks(draw: st.DrawFn) -> Block:
    kind = draw(st.sampled_from(sorted(COLUMNS)))
    n = draw(st.integers(0, 6))
    columns = {}
    for name, dtype in COLUMNS[kind].items():
        if dtype in (TEXT, WORD):
            values = st.text()
        elif dtype == ANY:
            values = st.lists(st.integers(-9, 9), max_size=3)
        elif dtype == "f8":
            values = st.floats(allow_nan=False, allow_infinity=False)
        else:
            values = st.integers(*RANGES[dtype])
        columns[name] = draw(st.lists(values, min_size=n, max_size=n))
    origin = draw(st.one_of(st.integers(0, 2**60), st.just(list(range(3, 3 + n)))))
    return make(
        kind, "e/3", origin, columns, **draw(st.dictionaries(st.text(min_size=1), st.integers(0, 9), max_size=2))
    )


@given(blocks())
def test_a_block_is_the_same_after_the_wire(block: Block) -> None:
    try:
        other = decode(encode(block))
    except (UnicodeEncodeError, TypeError):
        return
    assert (other.kind, other.up, other.meta, len(other)) == (block.kind, block.up, block.meta, len(block))
    assert np.array_equal(np.asarray(other.origin), np.asarray(block.origin))
    for name, column in block.columns.items():
        assert list(other[name]) == list(column)
        if isinstance(column, np.ndarray):
            assert other[name].dtype == column.dtype


def simple(n: int) -> Block:
    return make(
        "credits",
        "c/0",
        list(range(10, 10 + n)),
        {k: (["x"] * n if d == WORD else [1] * n) for k, d in COLUMNS["credits"].items()},
    )


def test_texts_and_numbers_that_repeat_are_sent_once() -> None:
    n = 1_000
    columns = {
        name: [f"claim-{i % 7}" for i in range(n)] if name == "c" else [f"source-{i}" for i in range(n)]
        if dtype == WORD else [0] * n for name, dtype in COLUMNS["credits"].items()
    }  # fmt: skip
    block = make("credits", "c/0", 1, columns)
    wire = encode(block)
    assert len(wire) < n * 20
    other = decode(wire)
    assert {name: list(other[name]) for name in columns} == columns
    assert all(other[name].dtype == block[name].dtype for name, dtype in COLUMNS["credits"].items() if dtype != WORD)


@pytest.mark.parametrize(("fence", "left"), [(9, 4), (10, 3), (12, 1), (13, 0), (99, 0)])
def test_rows_at_or_below_the_fence_are_dropped(fence: int, left: int) -> None:
    rest = simple(4).after(fence)
    assert (0 if rest is None else len(rest)) == left
    if rest is not None:
        assert rest.last_origin() == 13


def test_a_block_with_one_origin_passes_or_falls_as_a_whole() -> None:
    block = Block("tick", "k/0", 7, {}, {"t": 1})
    assert block.after(6) is block
    assert block.after(7) is None


def test_a_missing_column_is_refused() -> None:
    with pytest.raises(ValueError, match="needs columns"):
        make("credits", "c/0", 1, {"s": ["a"]})


def test_what_is_not_a_block_is_refused() -> None:
    for value in (b"{}", b"[]", b'{"k":"nothing","up":"","o":1}', b"\xff"):
        with pytest.raises((ValueError, KeyError, TypeError)):
            decode(value)
