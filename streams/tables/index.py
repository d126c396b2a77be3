"""From keys to rows: which rows a table has, which of them changed, and how they are found.

An `Index` is a handful of arrays that compiled loops take as an argument. Integers are found in it here; texts by their
hashes, before a loop begins (`names`).

Rows are taken lowest-free-first. So where a key stands depends on the log alone, even when the table was rebuilt from
its changelog in between.
"""

from __future__ import annotations

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
        keys: [capacity] the integer key of each row, or the hash of its name.
        marks: [capacity] LIVE, and what happened to the row since the last delta: TOUCHED, REKEYED.
        slots: a power of two, half as many again as rows at least: rows by key, open addressing with linear probing
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
def remove_all(index: Index, rows: Rows) -> None:
    """`remove` each."""
    for row in rows:
        remove(index, row)


@compiled
def take_changed(index: Index, rows: Rows, keyed: Rows) -> int:
    """The rows that changed, ascending, and those of them whose keys did, into the arrays; how many these are.

    From now on none has changed.
    """
    state, marks, count = index.state, index.marks, 0
    for i in range(len(rows)):
        row = np.int64(index.changed[i])
        rows[i] = row
        if marks[row] & REKEYED:
            keyed[count] = row
            count += 1
        marks[row] &= LIVE
    state[CHANGED] = 0
    return count


@compiled
def rebuild(index: Index) -> None:
    """Find every live row again, from `keys` and `marks` alone."""
    slots, state, mask = index.slots, index.state, len(index.slots) - 1
    slots[:] = EMPTY
    state[COUNT] = state[LOWEST] = 0
    for row in range(state[SIZE]):
        if index.marks[row] & LIVE:
            state[COUNT] += 1
            slot = home(index, index.keys[row])
            while slots[slot] != EMPTY:
                slot = (slot + 1) & mask
            slots[slot] = row


def roomy(used: int, needed: int) -> int:
    """How much room to make for what is needed, where so much is used: an eighth of that to spare at least."""
    return max(needed, used + used // 8)


def longer(former: list[npt.NDArray[Any]], length: int) -> npt.NDArray[Any]:
    """The first of some arrays, taken out of the list, with room for more; what is new are zeros.

    It grows where it lies, so that nothing is copied, unless somebody else still holds it or a view of it: numpy counts
    who does.
    """
    array = former.pop(0)
    try:
        array.resize(length)
    except ValueError:
        short, array = array, np.zeros(length, array.dtype).view(type(array))
        _raw(array)[: short.nbytes] = _raw(short)
    return array


def _raw(array: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """An array as bytes, since numpy copies records field by field."""
    return array.view(np.ndarray).view(np.uint8)


def make_index(capacity: int) -> Index:
    """An index with room for so many rows, without any."""
    types = (np.int64, np.uint8, np.int32, np.int32)
    index = grown([*(np.zeros(0, dtype) for dtype in types), np.zeros(5, np.int64)], capacity)
    rebuild(index)
    return index


def grown(former: list[npt.NDArray[Any]], capacity: int) -> Index:
    """An index with room for so many rows, of the arrays of another one, which are taken out of the list.

    Where its slots are others, `rebuild` is still to come.
    """
    keys, marks = longer(former, capacity), longer(former, capacity)
    slots = former.pop(0)
    changed, state = longer(former, capacity), former.pop(0)
    if 2 * len(slots) < 3 * capacity:
        bits = (3 * capacity // 2).bit_length()
        slots = np.empty(1 << bits, np.int32)
        state[SHIFT] = 64 - bits
    return Index(keys, marks, slots, changed, state)
