"""Texts lie in one buffer: they are read as they were written, wherever they move; a name is found by it alone."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.tables import index, names
from streams.tables.table import Table
from streams.tables.texts import LENGTH_MAX, Texts, pack, places_of, unpack

written = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@given(st.lists(written, max_size=20), st.data())
def test_what_is_packed_reads_as_it_did_in_any_order(values: list[str], data: st.DataObject) -> None:
    packed = pack(values)
    order = np.array(data.draw(st.permutations(range(len(values)))), np.int64)
    assert unpack(packed._replace(places=packed.places[order])) == [values[i] for i in order.tolist()]


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans(), written), max_size=60))
def test_texts_read_as_they_were_written_last_however_often_they_move(steps: list[tuple[int, bool, str]]) -> None:
    kept = Texts()
    tables = [Table(name, {"n": "i1", "said": "text", "also": "text"}, integers=True, texts=kept) for name in "ab"]
    expected: dict[tuple[int, int], str] = {}
    for key, second, text in steps:
        (row,), _ = tables[second].ensure([key])
        tables[second].texts("said")[int(row)] = text
        expected[second, key] = text
    for which, table in enumerate(tables):
        rows = table.rows()
        assert table.texts("said").of(rows) == [expected[which, key] for key in table.keys_of(rows).tolist()]
        assert set(table.texts("also").of(rows)) <= {""}


def test_what_nobody_holds_any_more_takes_no_room_for_long() -> None:
    table = Table("t", {"said": "text"}, integers=True, texts=(kept := Texts()))
    table.ensure([1])
    for n in range(1_000):
        table.texts("said")[0] = f"{n:0100}"
    assert len(kept.heap.letters) < 1_000
    assert table.texts("said")[0] == f"{999:0100}"


def test_a_text_that_is_too_long_is_refused() -> None:
    with pytest.raises(ValueError, match="a text of"):
        places_of(np.array([LENGTH_MAX + 1]))


def test_a_name_is_not_found_by_its_hash_alone() -> None:
    rows, book = index.make_index(8), names.NameBook(8)
    book.ensure(rows, ["a name"])
    rows.keys[0] = names.hash_of(*(packed := pack(["another"]))._replace(places=packed.places[0]), names.KEY)
    index.rebuild(rows)
    assert book.find(rows, ["another", "a name"]).tolist() == [-1, -1]


def test_names_are_hashed_as_python_does_it() -> None:
    values = ["", "a", "seventh", "eight ch", "ninechars", "a source of some length"]
    asked = f"print(*(hash(value.encode()) for value in {values!r}))"
    told = subprocess.run([sys.executable, "-c", asked], env={"PYTHONHASHSEED": "0"}, capture_output=True, check=True)
    if sys.hash_info.algorithm != "siphash13":
        pytest.skip("this Python hashes otherwise")
    packed, zeros = pack(values), np.zeros(2, np.uint64)
    ours = [int(names.hash_of(packed.letters, place, zeros)) for place in packed.places]
    assert ours[1:] == [(int(word) % 2**64) >> 1 for word in told.stdout.split()][1:]  # Python has 0 for no bytes
