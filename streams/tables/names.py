"""Rows by name: the texts that are keys of a table, and how they are found.

A name is found by its hash, and then compared letter by letter: nobody can take a row by forging a hash. The hash is
SipHash-1-3 (Aumasson & Bernstein, INDOCRYPT 2012), as Python's dictionaries have it, with a key of the process: nobody
can choose names that lie in one place. It is no part of the state, and a row does not depend on it.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from streams.tables.compiled import compiled, inlined
from streams.tables.index import EMPTY, Index, Int, Rows, allocate, home, longer
from streams.tables.texts import Bytes, Columns, Heap, Packed, Texts, append, begin_of, length_of, pack

KEY = np.frombuffer(secrets.token_bytes(16), np.uint64).copy()
_START = (0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573)
_Words = tuple[np.uint64, np.uint64, np.uint64, np.uint64]


class Names(NamedTuple):
    """What compiled loops take: the letters, [capacity] the place of each row's name, and the key of the hash."""

    heap: Heap
    places: Rows
    key: npt.NDArray[np.uint64]


@inlined
def _turned(word: np.uint64, bits: int) -> np.uint64:
    return np.uint64((word << np.uint64(bits)) | (word >> np.uint64(64 - bits)))


@inlined
def _round(v: _Words) -> _Words:
    v0, v1, v2, v3 = v
    v0 += v1
    v2 += v3
    v1, v3 = _turned(v1, 13) ^ v0, _turned(v3, 16) ^ v2
    v0 = _turned(v0, 32) + v3
    v2 += v1
    v1, v3 = _turned(v1, 17) ^ v2, _turned(v3, 21) ^ v0
    return v0, v1, _turned(v2, 32), v3


@inlined
def hash_of(letters: Bytes, place: Int, key: npt.NDArray[np.uint64]) -> Int:
    """The hash of a text, 63 bits."""
    begin, length = begin_of(place), length_of(place)
    v = (
        key[0] ^ np.uint64(_START[0]), key[1] ^ np.uint64(_START[1]),
        key[0] ^ np.uint64(_START[2]), key[1] ^ np.uint64(_START[3]),
    )  # fmt: skip
    word, filled = np.uint64(0), 0
    for k in range(length):
        word |= np.uint64(letters[begin + k]) << np.uint64(8 * filled)
        filled += 1
        if filled == 8:
            v = _round((v[0], v[1], v[2], v[3] ^ word))
            v = (v[0] ^ word, v[1], v[2], v[3])
            word, filled = np.uint64(0), 0
    word |= np.uint64(length & 255) << np.uint64(56)
    v = _round((v[0], v[1], v[2], v[3] ^ word))
    v = (v[0] ^ word, v[1], v[2] ^ np.uint64(255), v[3])
    for _ in range(3):
        v = _round(v)
    return np.int64((v[0] ^ v[1] ^ v[2] ^ v[3]) >> np.uint64(1))


@inlined
def _same(letters: Bytes, place: Int, others: Bytes, other: Int) -> bool:
    if length_of(place) != length_of(other):
        return False
    begin, start, k = begin_of(place), begin_of(other), 0
    while k < length_of(place) and letters[begin + k] == others[start + k]:
        k += 1
    return bool(k == length_of(place))


@inlined
def _slot_of(index: Index, names: Names, wanted: Packed, i: Int, hashed: Int) -> Int:
    """The slot of the row with a name, or the empty one where it belongs."""
    mask, slot = len(index.slots) - 1, home(index, hashed)
    row = np.int64(index.slots[slot])
    while row != EMPTY and not (
        index.keys[row] == hashed and _same(names.heap.letters, names.places[row], wanted.letters, wanted.places[i])
    ):
        slot = (slot + 1) & mask
        row = np.int64(index.slots[slot])
    return slot


@compiled
def find_names(index: Index, names: Names, wanted: Packed, rows: Rows) -> None:
    """Rows of names, −1 where one is unknown, into the array."""
    for i in range(len(rows)):
        hashed = hash_of(wanted.letters, wanted.places[i], names.key)
        rows[i] = index.slots[_slot_of(index, names, wanted, i, hashed)]


@compiled
def ensure_names(index: Index, names: Names, wanted: Packed, rows: Rows, new: Rows) -> int:
    """Rows of names, and those that were made for them, in order, into the arrays; how many were made.

    The table has room for as many rows, and the heap for their letters.
    """
    count = 0
    for i in range(len(rows)):
        hashed = hash_of(wanted.letters, wanted.places[i], names.key)
        slot = _slot_of(index, names, wanted, i, hashed)
        row = np.int64(index.slots[slot])
        if row == EMPTY:
            row = np.int64(allocate(index))
            index.keys[row], index.slots[slot] = hashed, row
            names.places[row] = append(names.heap, wanted.letters, wanted.places[i])
            new[count] = row
            count += 1
        rows[i] = row
    return count


@compiled
def name_all(index: Index, names: Names, rows: Rows, given: Packed) -> None:
    """Set the names of rows of a table that is being rebuilt. The heap has room for them."""
    for i in range(len(rows)):
        row = rows[i]
        if not _same(names.heap.letters, names.places[row], given.letters, given.places[i]):
            names.places[row] = append(names.heap, given.letters, given.places[i])
        index.keys[row] = hash_of(given.letters, given.places[i], names.key)


class NameBook:
    """The names of a table's rows."""

    def __init__(self, capacity: int) -> None:
        self._texts = Texts()
        self._columns: Columns = {"places": np.zeros(capacity, np.int64)}
        self._texts.held_by(self._columns, "places")

    @property
    def _places(self) -> Rows:
        return self._columns["places"]

    def grow(self, capacity: int) -> None:
        """Make room for so many rows."""
        self._columns["places"] = longer([self._columns.pop("places")], capacity)

    def find(self, index: Index, keys: Sequence[str]) -> Rows:
        """Rows of the keys, −1 where a key is unknown."""
        rows = np.empty(len(keys), np.int64)
        find_names(index, self._view(), pack(keys), rows)
        return rows

    def ensure(self, index: Index, keys: Sequence[str]) -> tuple[Rows, Rows]:
        """Rows of the keys, and those that were made for them, in order."""
        wanted, rows, made = pack(keys), np.empty(len(keys), np.int64), np.empty(len(keys), np.int64)
        self._texts.reserve(len(wanted.letters))
        return rows, made[: ensure_names(index, self._view(), wanted, rows, made)]

    def name(self, index: Index, rows: Rows, given: Packed) -> None:
        """Set the names of rows of a table that is being rebuilt; "" for free ones."""
        self._texts.reserve(len(given.letters))
        name_all(index, self._view(), rows, given)

    def forget(self, rows: Rows) -> None:
        """The rows have no names any more."""
        self._places[rows] = 0

    def gathered(self, rows: Rows) -> Packed:
        """The names of these rows."""
        return self._texts.gathered(self._places[rows])

    def of(self, rows: Rows) -> list[str]:
        """The names of these rows."""
        return self._texts.of(self._places[rows])

    def one(self, row: int) -> str:
        """The name of a row."""
        return self._texts.one(int(self._places[row]))

    def _view(self) -> Names:
        return Names(self._texts.heap, self._places, KEY)
