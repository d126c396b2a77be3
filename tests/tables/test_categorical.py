"""A categorical column is the sequence of texts that it stands for, however its texts are listed."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streams.tables.categorical import Categorical
from streams.tables.table import Table

texts = st.lists(st.text("ab", max_size=3), max_size=40)


@given(texts, st.data())
def test_it_reads_like_the_list_of_its_texts(values: list[str], data: st.DataObject) -> None:
    column = Categorical.of(values)
    assert list(column) == values
    assert column == values
    assert column.categories == list(dict.fromkeys(values))
    rows = data.draw(st.lists(st.integers(0, max(0, len(values) - 1)), max_size=60 if values else 0))
    assert list(column[np.asarray(rows, np.int64)]) == [values[row] for row in rows]
    assert list(column[1::2]) == values[1::2]
    assert [column[row] for row in rows] == [values[row] for row in rows]


@given(texts, st.data())
def test_texts_that_no_row_has_go_and_the_rows_stay(values: list[str], data: st.DataObject) -> None:
    kept = np.asarray(data.draw(st.lists(st.booleans(), min_size=len(values), max_size=len(values))), bool)
    for padding in (1, 500):  # few and many categories for the rows take two ways
        unused = [f"unused {i}" for i in range(padding)]
        column = Categorical([*unused, *values], np.arange(len(values)) + padding)
        some = column[kept].used()
        assert list(some) == [value for value, keep in zip(values, kept.tolist(), strict=True) if keep]
        assert not set(unused) & set(some.categories)


@given(st.lists(texts, min_size=1, max_size=4))
def test_joined_columns_have_each_text_once(lists: list[list[str]]) -> None:
    joined = Categorical.concat([Categorical.of(values) for values in lists])
    assert list(joined) == [value for values in lists for value in values]
    assert len(set(joined.categories)) == len(joined.categories)


@given(texts, texts)
def test_a_table_finds_the_rows_of_each_text_as_for_a_list(first: list[str], second: list[str]) -> None:
    by_text, by_list = Table("t", {}), Table("t", {})
    for values in (first, second):
        column = Categorical(["unused", *values], np.arange(len(values)) + 1)
        assert by_text.ensure(column)[0].tolist() == by_list.ensure(values)[0].tolist()
        assert by_text.find(column).tolist() == by_list.find(values).tolist()
    assert by_text.find_one("unused") == -1
    rows = by_text.find(first)
    assert by_text.categorical(rows) == first


@given(texts)
def test_a_function_is_called_once_for_each_text(values: list[str]) -> None:
    called: list[str] = []

    def length(text: str) -> int:
        called.append(text)
        return len(text)

    assert Categorical.of(values).each(length).tolist() == [len(value) for value in values]
    assert len(called) == len(set(values))
