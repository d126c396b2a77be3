"""Blocks survive the wire, and a fence cuts them where it stands."""

from __future__ import annotations

import random
from contextlib import suppress
from typing import Any, get_args

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.tables.block_wire import NotABlockError, decode, encode, pack
from streams.tables.blocks import (
    ANY,
    CODES,
    COLUMNS,
    TEXT,
    WORD,
    Block,
    ListName,
    NumberName,
    TextName,
    WordName,
    make,
)
from streams.tables.compression import compress, expand

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
            values = st.integers(*(CODES.get(name, RANGES[dtype]) if dtype == "i1" else RANGES[dtype]))
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


def test_the_types_that_mypy_knows_of_columns_are_those_of_their_kinds() -> None:
    found: dict[str, set[str]] = {WORD: set(), TEXT: set(), ANY: set(), "number": set()}
    for kind, spec in COLUMNS.items():
        for name, dtype in spec.items():
            if (kind, name) != ("rulings", "kind"):
                found[dtype if dtype in found else "number"].add(name)
    declared = {WORD: WordName, TEXT: TextName, ANY: ListName, "number": NumberName}
    assert found == {dtype: set(get_args(names)) for dtype, names in declared.items()}


def test_a_column_that_is_asked_for_as_something_else_is_an_error() -> None:
    block = simple(2)
    assert block.numbers("t") is block["t"]
    assert block.words("c") is block["c"]
    with pytest.raises(TypeError, match="c of credits is no column of numbers"):
        block.numbers("c")
    with pytest.raises(TypeError, match="t of credits is no column of words"):
        block.words("t")


def test_a_missing_column_is_refused() -> None:
    with pytest.raises(ValueError, match="needs columns"):
        make("credits", "c/0", 1, {"s": ["a"]})


def test_what_is_not_a_block_is_refused() -> None:
    for value in (b"{}", b"[]", b'{"k":"nothing","up":"","o":1}', b"\xff", b"", None, *map(wire, (None, [], 7, {}))):
        with pytest.raises(NotABlockError):
            decode(value)


def wire(head: Any, rest: bytes = b"") -> bytes:
    """A value whose head is any JSON."""
    packed = orjson.dumps(head)
    return compress(len(packed).to_bytes(4, "little") + packed + rest)


def head_of(block: Block) -> tuple[dict[str, Any], bytes]:
    packed = pack(block)
    size = int.from_bytes(packed[:4], "little")
    return orjson.loads(packed[4 : 4 + size]), packed[4 + size :]


ROWS = make("joined", "s/0", 5, {"s": ["a", "b"], "c": ["c", "c"], "t": [1, 2], "x": [1, 1], "m": ["", ""]})
TALLY = make("params", "p/0", 5, {}, version=3, values={"risk_slow": 0.5})


@pytest.mark.parametrize(
    ("block", "changes"),
    [
        (ROWS, {"k": "gossip"}), (ROWS, {"k": None}), (ROWS, {"up": 7}), (ROWS, {"up": None}), (ROWS, {"o": "5"}),
        (ROWS, {"o": True}), (ROWS, {"o": 1.5}), (ROWS, {"n": -1}), (ROWS, {"n": 1 << 40}), (ROWS, {"n": "2"}),
        (ROWS, {"n": 3}), (ROWS, {"same": {"x": "1"}}), (ROWS, {"same": {"x": 1.5}}), (ROWS, {"same": {"x": 300}}),
        (ROWS, {"same": {"x": 77}}), (ROWS, {"same": {"x": None}}), (ROWS, {"same": {}}), (ROWS, {"same": []}),
        (ROWS, {"same": {"x": 1, "y": 1}}), (ROWS, {"numbers": ["t", "t"]}), (ROWS, {"numbers": ["z"]}),
        (ROWS, {"texts": {"x": [1, 2]}, "same": {}}),
        (ROWS, {"texts": {"s": ["a", "b"]}, "words": {"c": ["c"], "m": [""]}}),
        (ROWS, {"words": {"s": ["a", 7], "c": ["c"], "m": [""]}}),
        (ROWS, {"words": {"s": ["a"], "c": [], "m": [""]}}), (ROWS, {"words": "s"}), (ROWS, {"meta": []}),
        (ROWS, {"meta": {"flush": "x"}}), (TALLY, {"meta": {"values": 7}}), (TALLY, {"meta": {"version": "4"}}),
        (TALLY, {"meta": {"version": 4, "values": {"risk_slow": "much"}}}), (TALLY, {"meta": {"version": [4]}}),
    ],
)  # fmt: skip
def test_a_block_that_no_stage_could_read_is_refused_and_ends_nothing(block: Block, changes: dict[str, Any]) -> None:
    head, rest = head_of(block)
    decode(wire(head, rest))
    with pytest.raises(NotABlockError):
        decode(wire(head | changes, rest))


@given(blocks(), st.integers(0, 2**32), st.integers(1, 8))
def test_any_mutation_of_a_block_is_a_block_or_refused(block: Block, seed: int, edits: int) -> None:
    rng = random.Random(seed)
    try:
        packed = bytearray(expand(encode(block)))
    except (UnicodeEncodeError, TypeError):
        return
    for _ in range(edits):
        packed[rng.randrange(len(packed))] = rng.randrange(256)
    with suppress(NotABlockError):
        decode(compress(bytes(packed)))
