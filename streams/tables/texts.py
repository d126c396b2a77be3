"""Texts in memory: their letters one after the other in one buffer, and a number for each that says where it lies.

A Python string takes fifty bytes beside its letters, and a microsecond to be made. Here a text costs its letters and a
place: where it begins, and its length, in one integer; 0 is no text. Whoever keeps places says where (`held_by`), for
they move when the buffer is full: then what nobody holds any more goes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from streams.tables.compiled import compiled, inlined
from streams.tables.index import Int, Rows, longer, roomy

Bytes = npt.NDArray[np.uint8]
Columns = dict[str, npt.NDArray[Any]]  # that are replaced in it when they grow
LENGTH_BITS = 24
LENGTH_MAX = (1 << LENGTH_BITS) - 1  # bytes of a text
_ROOM_MIN = 256


class Packed(NamedTuple):
    """Texts as compiled loops take them: their letters in UTF-8, and the place of each."""

    letters: Bytes
    places: Rows


class Heap(NamedTuple):
    """A buffer, and [1] how much of it is used."""

    letters: Bytes
    used: npt.NDArray[np.int64]


# --- for compiled loops -----------------------------------------------------------------------------------------------


@inlined
def begin_of(place: Int) -> Int:
    """Where a text begins."""
    return place >> LENGTH_BITS


@inlined
def length_of(place: Int) -> Int:
    """Its length in bytes."""
    return place & LENGTH_MAX


@inlined
def append(heap: Heap, letters: Bytes, place: Int) -> Int:
    """Write a text that lies in other letters to the end of a heap with room for it; its place there."""
    length, begin, at = length_of(place), begin_of(place), heap.used[0]
    if length == 0:
        return 0
    for k in range(length):
        heap.letters[at + k] = letters[begin + k]
    heap.used[0] = at + length
    return np.int64((at << LENGTH_BITS) | length)


@compiled
def append_all(heap: Heap, letters: Bytes, places: Rows, found: Rows) -> None:
    """`append` each: their places in the heap, into the array."""
    for i in range(len(places)):
        found[i] = append(heap, letters, places[i])


@compiled
def letters_of(places: Rows) -> Int:
    """The length of these texts together, in bytes."""
    count = np.int64(0)
    for i in range(len(places)):
        count += length_of(places[i])
    return count


# --- from Python ------------------------------------------------------------------------------------------------------


def pack(texts: Sequence[str]) -> Packed:
    """Texts as compiled loops take them. ValueError if one is longer than LENGTH_MAX."""
    joined = "".join(texts)
    letters = bytearray(joined, "utf-8")
    in_ascii = len(letters) == len(joined)
    lengths = np.fromiter(map(len, texts) if in_ascii else (len(t.encode()) for t in texts), np.int64, len(texts))
    return Packed(np.frombuffer(letters, np.uint8), places_of(lengths))


def places_of(lengths: Rows) -> Rows:
    """Places of texts of these lengths that lie one after the other."""
    ends = lengths.cumsum()
    if len(ends) and ends[-1] > LENGTH_MAX and lengths.max() > LENGTH_MAX:
        raise ValueError(f"a text of {lengths.max():,} bytes; {LENGTH_MAX:,} are possible")
    found: Rows = ((ends - lengths) << LENGTH_BITS) | lengths
    return found


def unpack(packed: Packed) -> list[str]:
    """Inverse of `pack`, for places in any order."""
    begins = packed.places >> LENGTH_BITS
    ends = begins + (packed.places & LENGTH_MAX)
    raw = packed.letters.tobytes()
    if raw.isascii():
        text = raw.decode("ascii")
        return [text[begin:end] for begin, end in zip(begins.tolist(), ends.tolist(), strict=True)]
    return [raw[begin:end].decode() for begin, end in zip(begins.tolist(), ends.tolist(), strict=True)]


class Texts:
    """A heap that grows, and those who hold places in it."""

    def __init__(self) -> None:
        self.heap = Heap(np.empty(_ROOM_MIN, np.uint8), np.zeros(1, np.int64))
        self._holders: list[tuple[Columns, str]] = []

    def held_by(self, columns: Columns, name: str) -> None:
        """Whoever holds places says in which column they are: it is read and written when texts move."""
        self._holders.append((columns, name))

    def add(self, packed: Packed) -> Rows:
        """Places of these texts from now on. They hold until the next `add` or `reserve`; then those of holders do."""
        self.reserve(len(packed.letters))
        found = np.empty_like(packed.places)
        append_all(self.heap, packed.letters, packed.places, found)
        return found

    def gathered(self, places: Rows) -> Packed:
        """The texts at these places, one after the other."""
        lengths = places & LENGTH_MAX
        heap = Heap(np.empty(int(lengths.sum()), np.uint8), np.zeros(1, np.int64))
        found = np.empty_like(places)
        append_all(heap, self.heap.letters, places, found)
        return Packed(heap.letters, found)

    def of(self, places: Rows) -> list[str]:
        """The texts at these places."""
        return unpack(self.gathered(places))

    def one(self, place: int) -> str:
        """The text at a place."""
        begin = place >> LENGTH_BITS
        return self.heap.letters[begin : begin + (place & LENGTH_MAX)].tobytes().decode()

    def reserve(self, size: int) -> None:
        """Make room for so many more bytes: what nobody holds any more goes, if it is much; else the heap grows."""
        used = int(self.heap.used[0])
        if used + size <= len(self.heap.letters):
            return
        live = sum(int(letters_of(np.ascontiguousarray(columns[name]))) for columns, name in self._holders)
        if live <= used - used // 8:
            self._move(max(_ROOM_MIN, roomy(live, live + size)))
            return
        arrays: list[npt.NDArray[Any]] = [*self.heap]
        del self.heap
        self.heap = Heap(longer(arrays, roomy(used, used + size)), arrays.pop())

    def _move(self, room: int) -> None:
        """To another heap with so much room, which holds what somebody holds."""
        fresh = Heap(np.empty(room, np.uint8), np.zeros(1, np.int64))
        for columns, name in self._holders:
            held = np.ascontiguousarray(columns[name])
            moved = np.empty_like(held)
            append_all(fresh, self.heap.letters, held, moved)
            columns[name][:] = moved
        self.heap = fresh


class TextField:
    """A field of texts of a table: `table.texts("note")[row] = note`.

    Args:
        columns: of the table; that of the field's name has the places of all rows' texts.
        kept: where these lie.
    """

    def __init__(self, columns: Columns, name: str, kept: Texts) -> None:
        self._columns = columns
        self._name = name
        self._kept = kept
        kept.held_by(columns, name)

    def __getitem__(self, row: int) -> str:
        return self._kept.one(int(self._columns[self._name][row]))

    def __setitem__(self, row: int, text: str) -> None:
        self.put(np.array([row]), [text])

    def put(self, rows: Rows, texts: Sequence[str]) -> None:
        """Set the texts of these rows."""
        places = self._kept.add(pack(texts))  # which may move the others
        self._columns[self._name][rows] = places

    def of(self, rows: Rows) -> list[str]:
        """The texts of these rows."""
        return self._kept.of(self._columns[self._name][rows])
