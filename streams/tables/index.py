"""From keys to rows: the two indexes by which tables find what they hold.

Texts go through Python's dictionary. Integers, of which there are several an event, go through columns of numbers: in
a dictionary each lookup waits for four places in memory, one after the other; here a block's lookups wait together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import chain, count, islice, repeat
from typing import Any

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]

NO_ROWS: Rows = np.zeros(0, np.int64)
_FREE, _GONE = -1, -2  # of a slot: never taken since the last rebuild, and taken by a row that was removed
_SPREAD = np.uint64(0x9E3779B97F4A7C15)
SLOTS_MIN = 256
FEW = 24  # keys that are sooner found one by one


def fresh(free: Rows, size: int, created: int) -> Rows:
    """The rows that new keys get: free ones first, lowest first, then those beyond the high-water mark."""
    reused = min(len(free), created)
    made = np.arange(size - reused, size - reused + created)
    if reused:
        made[:reused] = free[:reused]
    return made


class TextIndex:
    """Rows by text."""

    def __init__(self) -> None:
        self._keys: list[str | None] = []
        self._row_of: defaultdict[str, int] = defaultdict(None)

    def __len__(self) -> int:
        return len(self._row_of)

    def find(self, keys: Sequence[str]) -> Rows:
        """Rows of the keys, −1 where a key is unknown."""
        return np.fromiter(map(self._row_of.get, keys, repeat(-1)), np.int64, len(keys))

    def ensure(self, keys: Sequence[str], free: Rows, size: int) -> tuple[Rows, Rows]:
        """Rows of the keys; and those that were given to new keys, in order of first appearance."""
        row_of = self._row_of
        before = len(row_of)
        # The dictionary itself hands out rows: one pass in C for known and new keys alike.
        row_of.default_factory = chain(map(free.item, range(len(free))), count(size)).__next__
        rows = np.fromiter(map(row_of.__getitem__, keys), np.int64, len(keys))
        row_of.default_factory = None
        created = len(row_of) - before
        if not created:
            return rows, NO_ROWS
        made = fresh(free, size, created)
        new = list(islice(reversed(row_of), created))
        new.reverse()
        reused = min(len(free), created)
        for row, key in zip(made[:reused].tolist(), new, strict=False):
            self._keys[row] = key
        self._keys.extend(new[reused:])
        return rows, made

    def key(self, row: int) -> str | None:
        """Key of a row, None for a free one."""
        return self._keys[row]

    def keys_of(self, rows: Rows) -> list[str | None]:
        """Keys of rows, in order; None for a free one."""
        keys = self._keys
        return [keys[row] for row in rows.tolist()]

    def remove(self, rows: Rows) -> None:
        """Forget the keys of live rows; KeyError for a free one."""
        for row in rows.tolist():
            key = self._keys[row]
            if key is None:
                raise KeyError(row)
            del self._row_of[key]
            self._keys[row] = None

    def grow(self, size: int) -> None:
        """Make room for rows below `size`, free for now."""
        self._keys.extend(repeat(None, size - len(self._keys)))

    def name(self, rows: Rows, keys: Sequence[str | None]) -> None:
        """Set the keys of rows, None for free ones; nothing is found until `rebuild`."""
        if len(rows) and int(rows[-1]) - int(rows[0]) + 1 == len(rows):
            self._keys[int(rows[0]) : int(rows[-1]) + 1] = keys
            return
        for row, key in zip(rows.tolist(), keys, strict=True):
            self._keys[row] = key

    def rebuild(self) -> Rows:
        """Find every named row again; the free ones, ascending."""
        self._row_of = defaultdict(None, zip(self._keys, range(len(self._keys)), strict=True))  # type: ignore[arg-type]
        if self._row_of.pop(None, None) is None:  # type: ignore[call-overload]
            return NO_ROWS
        return np.array([row for row, key in enumerate(self._keys) if key is None], np.int64)

    def items(self) -> Iterator[tuple[str, int]]:
        """Every (key, row)."""
        return iter(self._row_of.items())


class IntIndex:
    """Rows by 64-bit integer: open addressing with linear probing, a block of keys at a time.

    Source: Knuth, The Art of Computer Programming 3, 6.4, algorithm L, with Fibonacci hashing; the table is kept less
    than half full. Removed rows leave a mark until the next rebuild.
    """

    def __init__(self) -> None:
        self._keys: npt.NDArray[np.int64] = NO_ROWS
        self._live = np.zeros(0, bool)
        self._size = 0
        self._count = 0
        self.grow(0)
        self._clear(0)

    def __len__(self) -> int:
        return self._count

    def _clear(self, rows: int) -> None:
        """Begin anew, with two to four slots for each of so many rows."""
        slots = max(SLOTS_MIN, 1 << (4 * rows).bit_length() - 1) if rows else SLOTS_MIN
        self._slots = np.full(slots, _FREE, np.int32)
        self._taken = 0  # slots that are not free: rows and marks
        self._mask = np.int64(slots - 1)
        self._shift = np.uint64(64 - slots.bit_length() + 1)

    def _home(self, keys: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The slot at which the search for each key begins."""
        return ((keys.view(np.uint64) * _SPREAD) >> self._shift).astype(np.int64)

    def find(self, keys: Any) -> Rows:
        """Rows of the keys, −1 where a key is unknown."""
        wanted = np.ascontiguousarray(keys, np.int64)
        slot = self._home(wanted)
        if len(wanted) <= FEW:
            return self._follow(wanted, slot)
        rows, on = self._probe(wanted, slot)
        left = on.nonzero()[0]
        slot = (slot[left] + 1) & self._mask
        while left.size > FEW:
            row, on = self._probe(wanted[left], slot)
            rows[left] = row
            left, slot = left[on], (slot[on] + 1) & self._mask
        if left.size:
            rows[left] = self._follow(wanted[left], slot)
        return rows

    def _probe(self, keys: npt.NDArray[np.int64], slot: Rows) -> tuple[Rows, npt.NDArray[np.bool_]]:
        """Rows of the keys that are at their slot, −1 for the others; and for which to go on to the next slot."""
        row = self._slots[slot].astype(np.int64)
        other = self._keys[row] != keys  # of −1 and −2 some key is compared, and that says nothing
        on = (other & (row != _FREE)) | (row == _GONE)
        row[other | on] = -1
        return row, on

    def _follow(self, keys: npt.NDArray[np.int64], slots: Rows) -> Rows:
        """Rows of a few keys, −1 where a key is unknown, from these slots on."""
        rows, mask, row_at, key_at = [], int(self._mask), self._slots.item, self._keys.item
        for key, slot in zip(keys.tolist(), slots.tolist(), strict=True):
            while (row := row_at(slot)) != _FREE and (row == _GONE or key_at(row) != key):
                slot = (slot + 1) & mask
            rows.append(row)
        return np.array(rows, np.int64)

    def ensure(self, keys: Any, free: Rows, size: int) -> tuple[Rows, Rows]:
        """Rows of the keys; and those that were given to new keys, in order of first appearance."""
        wanted = np.ascontiguousarray(keys, np.int64)
        rows = self.find(wanted)
        missing = (rows < 0).nonzero()[0]
        if not missing.size:
            return rows, NO_ROWS
        sought = wanted[missing]
        ordered = np.sort(sought)
        if (ordered[1:] == ordered[:-1]).any():
            _, first, inverse = np.unique(sought, return_index=True, return_inverse=True)
            by_appearance = np.argsort(first)
            new = sought[first[by_appearance]]
            rank = np.empty(len(first), np.int64)
            rank[by_appearance] = np.arange(len(first))
            made = fresh(free, size, len(new))
            rows[missing] = made[rank[inverse]]
        else:
            new, made = sought, fresh(free, size, len(sought))
            rows[missing] = made
        self.grow(max(size, int(made.max()) + 1))
        self._keys[made], self._live[made] = new, True
        self._place(made)
        return rows, made

    def _place(self, rows: Rows) -> None:
        """Let live rows with distinct new keys be found."""
        self._count += len(rows)
        if 2 * (self._taken + len(rows)) > len(self._slots):
            self._clear(self._count)
            rows = self._live[: self._size].nonzero()[0]
        self._taken += len(rows)
        slot = self._home(self._keys[rows])
        while rows.size > FEW:
            empty = self._slots[slot] == _FREE
            self._slots[slot[empty]] = rows[empty]
            on = self._slots[slot] != rows  # of several at one slot the last is in
            rows, slot = rows[on], (slot[on] + 1) & self._mask
        slots, mask = self._slots, int(self._mask)
        for row, at in zip(rows.tolist(), slot.tolist(), strict=True):
            while slots.item(at) != _FREE:
                at = (at + 1) & mask
            slots[at] = row

    def keys_of(self, rows: Rows) -> npt.NDArray[np.int64]:
        """Keys of live rows, in order."""
        keys: npt.NDArray[np.int64] = self._keys[rows]
        return keys

    def key(self, row: int) -> int | None:
        """Key of a row, None for a free one."""
        return int(self._keys[row]) if self._live[row] else None

    def remove(self, rows: Rows) -> None:
        """Forget the keys of live rows; KeyError for a free one."""
        if not self._live[rows].all() or len(np.unique(rows)) < len(rows):
            raise KeyError(rows.tolist())
        slot, left = self._home(self._keys[rows]), rows
        while left.size:
            found = self._slots[slot] == left
            self._slots[slot[found]] = _GONE
            left, slot = left[~found], (slot[~found] + 1) & self._mask
        self._live[rows] = False
        self._keys[rows] = 0
        self._count -= len(rows)

    def grow(self, size: int) -> None:
        """Make room for rows below `size`, free for now."""
        if size >= len(self._keys):
            more = max(SLOTS_MIN, size + size // 2) - len(self._keys)
            self._keys = np.append(self._keys, np.zeros(more, np.int64))
            self._live = np.append(self._live, np.zeros(more, bool))
        self._size = max(self._size, size)

    def name(self, rows: Rows, keys: npt.NDArray[np.int64], live: npt.NDArray[np.bool_]) -> None:
        """Set the keys of rows; nothing is found until `rebuild`."""
        self._keys[rows], self._live[rows] = keys, live

    def rebuild(self) -> Rows:
        """Find every named row again; the free ones, ascending."""
        rows = self._live[: self._size].nonzero()[0]
        self._count = 0
        self._clear(len(rows))
        self._place(rows)
        return (~self._live[: self._size]).nonzero()[0]

    def items(self) -> Iterator[tuple[int, int]]:
        """Every (key, row)."""
        rows = self._live[: self._size].nonzero()[0]
        return zip(self._keys[rows].tolist(), rows.tolist(), strict=True)
