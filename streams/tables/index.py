"""From keys to rows: which rows a table has, which of them changed, and the two indexes by which they are found.

An `Index` is a handful of arrays that compiled loops take as an argument. Integers are found in it directly; texts by
Python's dictionary (`TextIndex`), before a loop begins.

Rows are taken lowest-free-first. So where a key stands depends on the log alone, even when the table was rebuilt from
its changelog in between.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import count, islice, repeat
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from streams.tables.compiled import compiled, inlined

Rows = npt.NDArray[np.int64]
Int = int | np.int64  # a number in a compiled loop

NO_ROWS: Rows = np.zeros(0, np.int64)
EMPTY = -1  # of a slot
LIVE, TOUCHED, REKEYED = np.uint8(1), np.uint8(2), np.uint8(4)  # marks of a row
SIZE, COUNT, LOWEST, CHANGED, SHIFT = range(5)  # places in `Index.state`
_SPREAD = np.uint64(0x9E3779B97F4A7C15)
ROWS_MIN = 64


class Index(NamedTuple):
    """Which rows there are. Whoever adds rows in a compiled loop has room for them reserved before (`Table.reserve`).

    Attributes:
        keys: [capacity] the integer key of each row.
        marks: [capacity] LIVE, and what happened to the row since the last delta: TOUCHED, REKEYED.
        slots: a power of two, twice the capacity at least: rows by key, open addressing with linear probing
            (Knuth, The Art of Computer Programming 3, 6.4, algorithms L and R, with Fibonacci hashing).
        changed: [capacity] the rows that are TOUCHED, in the order in which they were.
        state: SIZE, rows ever used; COUNT, live ones; LOWEST, no free row lies below it; CHANGED, length of `changed`;
            SHIFT, of the hash.
    """

    keys: npt.NDArray[np.int64]
    marks: npt.NDArray[np.uint8]
    slots: npt.NDArray[np.int32]
    changed: npt.NDArray[np.int32]
    state: npt.NDArray[np.int64]


# --- for compiled loops -----------------------------------------------------------------------------------------------


@inlined
def touch(index: Index, row: Int) -> None:
    """Say that a row changed, so that the next delta holds it."""
    if not index.marks[row] & TOUCHED:
        index.marks[row] |= TOUCHED
        index.changed[index.state[CHANGED]] = row
        index.state[CHANGED] += 1


@inlined
def allocate(index: Index) -> Int:
    """A new row: the lowest free one, else the one beyond the high-water mark. IndexError if none was reserved."""
    state, marks = index.state, index.marks
    if state[COUNT] == state[SIZE]:
        row = state[SIZE]
        if row >= len(marks):
            raise IndexError("more rows than were reserved")
        state[SIZE] += 1
    else:
        row = state[LOWEST]
        while marks[row] & LIVE:
            row += 1
        state[LOWEST] = row + 1
    state[COUNT] += 1
    marks[row] |= LIVE | REKEYED
    touch(index, row)
    return int(row)


@compiled
def release(index: Index, row: Int) -> None:
    """Give a row back; KeyError if it is free."""
    if not index.marks[row] & LIVE:
        raise KeyError("a row that is free")
    index.marks[row] = (index.marks[row] & TOUCHED) | REKEYED
    index.state[COUNT] -= 1
    index.state[LOWEST] = min(index.state[LOWEST], row)
    touch(index, row)


@inlined
def home(index: Index, key: Int) -> Int:
    """The slot at which the search for a key begins."""
    return np.int64((np.uint64(key) * _SPREAD) >> np.uint64(index.state[SHIFT]))


@inlined
def find(index: Index, key: Int) -> Int:
    """Row of an integer key, −1 if it is unknown."""
    mask = len(index.slots) - 1
    slot = home(index, key)
    row = np.int64(index.slots[slot])
    while row != EMPTY and index.keys[row] != key:
        slot = (slot + 1) & mask
        row = np.int64(index.slots[slot])
    return row


@inlined
def ensure(index: Index, key: Int) -> tuple[Int, bool]:
    """Row of an integer key, and whether it was made just now (with zeros in every field)."""
    mask = len(index.slots) - 1
    slot = home(index, key)
    row = np.int64(index.slots[slot])
    while row != EMPTY and index.keys[row] != key:
        slot = (slot + 1) & mask
        row = np.int64(index.slots[slot])
    if row != EMPTY:
        return row, False
    row = np.int64(allocate(index))
    index.keys[row] = key
    index.slots[slot] = row
    return row, True


@compiled
def remove(index: Index, row: Int) -> None:
    """Forget an integer key and give its row back; KeyError if it is free. The caller zeroes the row's fields."""
    release(index, row)
    slots, mask = index.slots, len(index.slots) - 1
    hole = home(index, index.keys[row])
    while slots[hole] != row:
        hole = (hole + 1) & mask
    index.keys[row] = 0
    slot = (hole + 1) & mask
    while slots[slot] != EMPTY:
        if (slot - home(index, index.keys[slots[slot]])) & mask >= (slot - hole) & mask:
            slots[hole] = slots[slot]
            hole = slot
        slot = (slot + 1) & mask
    slots[hole] = EMPTY


# --- the same for many rows, from Python ------------------------------------------------------------------------------


@compiled
def touch_all(index: Index, rows: Rows) -> None:
    """`touch` each."""
    for row in rows:
        touch(index, row)


@compiled
def find_all(index: Index, keys: Rows, rows: Rows) -> None:
    """`find` each, into the array."""
    for i in range(len(keys)):
        rows[i] = find(index, keys[i])


@compiled
def ensure_all(index: Index, keys: Rows, rows: Rows, new: Rows) -> int:
    """`ensure` each: the rows, and those that were made, in order, into the arrays; how many were made."""
    count = 0
    for i in range(len(keys)):
        row, made = ensure(index, keys[i])
        rows[i] = row
        if made:
            new[count] = row
            count += 1
    return count


@compiled
def allocate_all(index: Index, count: int) -> None:
    """`allocate` so many rows: the first of `next_rows`."""
    for _ in range(count):
        allocate(index)


@compiled
def next_rows(index: Index, rows: Rows) -> None:
    """The rows that `allocate` would give one after the other, into the array; none is taken."""
    free, row = index.state[SIZE] - index.state[COUNT], index.state[LOWEST]
    for i in range(len(rows)):
        if i >= free:
            rows[i] = index.state[SIZE] + i - free
            continue
        while index.marks[row] & LIVE:
            row += 1
        rows[i] = row
        row += 1


@compiled
def remove_all(index: Index, rows: Rows) -> None:
    """`remove` each; of a table whose keys are texts, `release` each."""
    for row in rows:
        if len(index.slots):
            remove(index, row)
        else:
            release(index, row)


@compiled
def rebuild(index: Index) -> None:
    """Find every live row again, from `keys` and `marks` alone."""
    slots, state, mask = index.slots, index.state, len(index.slots) - 1
    slots[:] = EMPTY
    state[COUNT] = state[LOWEST] = 0
    for row in range(state[SIZE]):
        if index.marks[row] & LIVE:
            state[COUNT] += 1
            if len(slots):
                slot = home(index, index.keys[row])
                while slots[slot] != EMPTY:
                    slot = (slot + 1) & mask
                slots[slot] = row


def make_index(integers: bool) -> Index:
    """An index without rows and without room for any."""
    none = np.zeros(0, np.int32)
    index = Index(np.zeros(0, np.int64), np.zeros(0, np.uint8), none, none, np.zeros(5, np.int64))
    return grown(index, ROWS_MIN, integers)


def grown(index: Index, capacity: int, integers: bool) -> Index:
    """The index with room for so many rows."""

    def longer(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        out = np.zeros(capacity, values.dtype)
        out[: len(values)] = values
        return out

    keys = longer(index.keys) if integers else index.keys
    slots = index.slots
    if integers and len(slots) < 2 * capacity:
        bits = (2 * capacity - 1).bit_length()
        slots = np.empty(1 << bits, np.int32)
        index.state[SHIFT] = 64 - bits
    found = Index(keys, longer(index.marks), slots, longer(index.changed), index.state)
    if slots is not index.slots:
        rebuild(found)
    return found


class TextIndex:
    """Rows by text: which text stands in which row, and Python's dictionary to find it."""

    def __init__(self) -> None:
        self.keys: list[str | None] = []
        self._row_of: defaultdict[str, int] = defaultdict(None)

    def find(self, keys: Sequence[str]) -> Rows:
        """Rows of the keys, −1 where a key is unknown."""
        return np.fromiter(map(self._row_of.get, keys, repeat(-1)), np.int64, len(keys))

    def ensure(self, keys: Sequence[str], index: Index) -> tuple[Rows, Rows]:
        """Rows of the keys; and those that new keys get, in order of first appearance, which are still to be taken."""
        row_of, size = self._row_of, int(index.state[SIZE])
        before = len(row_of)
        if index.state[COUNT] == size:
            new_row = count(size).__next__
        else:
            spare = np.empty(len(keys), np.int64)
            next_rows(index, spare)
            new_row = iter(spare.tolist()).__next__
        # The dictionary itself hands out rows: one pass in C for known and new keys alike.
        row_of.default_factory = new_row
        rows = np.fromiter(map(row_of.__getitem__, keys), np.int64, len(keys))
        row_of.default_factory = None
        created = len(row_of) - before
        if not created:
            return rows, NO_ROWS
        new = list(islice(reversed(row_of), created))
        new.reverse()
        made = np.empty(created, np.int64)
        next_rows(index, made)
        self.name(made, new, max(size, int(made[-1]) + 1))
        return rows, made

    def remove(self, rows: Rows) -> None:
        """Forget the keys of live rows."""
        for row in rows.tolist():
            key = self.keys[row]
            if key is None:
                raise KeyError(row)
            del self._row_of[key]
            self.keys[row] = None

    def name(self, rows: Rows, keys: Sequence[str | None], size: int) -> None:
        """Set the keys of rows, ascending, None for free ones, of a table that has so many rows.

        Of a table that is being rebuilt nothing is found until `rebuild`.
        """
        self.keys.extend(repeat(None, size - len(self.keys)))
        if len(rows) and int(rows[-1]) - int(rows[0]) + 1 == len(rows):
            self.keys[int(rows[0]) : int(rows[-1]) + 1] = keys
            return
        for row, key in zip(rows.tolist(), keys, strict=True):
            self.keys[row] = key

    def rebuild(self) -> None:
        """Find every named row again."""
        self._row_of = defaultdict(None, zip(self.keys, range(len(self.keys)), strict=True))  # type: ignore[arg-type]
        self._row_of.pop(None, None)  # type: ignore[call-overload]

    def items(self) -> Iterator[tuple[str, int]]:
        """Every (key, row)."""
        return iter(self._row_of.items())
