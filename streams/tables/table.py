"""State as rows of numpy columns, found by key, that know which of their rows changed.

A `Table` is the only form in which a partition keeps state. The scoring core reads and writes its columns with
vectorised numpy; the engine persists what changed (`take_delta`), the whole of it piece by piece (`segment`), and
rebuilds it (`apply`). Both payloads are one format, so recovery is a single loop in log order.

Rows are allocated lowest-free-first: two replicas that saw the same log hold the same key in the same row even when
one of them was rebuilt from the changelog in between, which is why a row number may be part of another table's key.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from itertools import repeat
from typing import Any

import numpy as np
import numpy.ma  # by itself numpy takes 50 ms for it when `unique` is first called: amid the first events
import numpy.typing as npt
import orjson

from streams.tables.categorical import Categorical
from streams.tables.index import NO_ROWS, IntIndex, TextIndex

Rows = npt.NDArray[np.int64]

SEGMENT_ROWS = 2048
_HEAD = struct.Struct("<I")


def begins_of(ordered: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Where each run of equal numbers begins."""
    begins = np.ones(len(ordered), bool)
    np.not_equal(ordered[1:], ordered[:-1], out=begins[1:])
    return begins


def distinct(rows: Rows) -> Rows:
    """The distinct values, ascending: numpy's `unique` at a quarter of its cost."""
    if len(rows) < 2:
        return rows
    ordered = np.sort(rows)
    found: Rows = ordered[begins_of(ordered)]
    return found


def order_of(rows: npt.NDArray[Any]) -> Rows:
    """A stable order of row numbers, 0 ≤ row < 2³¹: numpy's `argsort` at a third of its cost."""
    packed = (rows.astype(np.int64) << 32) | np.arange(len(rows))
    packed.sort()
    return packed & 0xFFFFFFFF


def grouped(rows: npt.NDArray[Any]) -> tuple[Rows, Rows]:
    """The distinct row numbers, ascending, and the index of each row's among them."""
    order = order_of(rows)
    ordered = rows[order]
    begins = begins_of(ordered)
    index = np.empty(len(rows), np.int64)
    index[order] = np.cumsum(begins) - 1
    return ordered[begins], index


class Table:
    """Rows with a unique key, fixed-width columns and, if wanted, text columns.

    Args:
        name: name of the table, unique within a partition's state.
        fields: column name → numpy dtype, in storage order. A new row is zero in every column.
        text: names of columns that hold Python strings (empty by default).
        integers: whether keys are 64-bit integers, given and returned as arrays, instead of texts.

    `table["w"]` is the whole backing array of column w: index it with rows. Arrays are replaced when the table
    grows, so take them again after `ensure`. Whoever writes to a row calls `touch` on it.
    """

    def __init__(self, name: str, fields: Mapping[str, str], text: Sequence[str] = (), integers: bool = False) -> None:
        self.name = name
        self.fields = dict(fields)
        self.text = tuple(text)
        self.integers = integers
        self.size = 0  # rows ever used: the high-water mark
        self._capacity = 0
        self._columns: dict[str, npt.NDArray[Any]] = {f: np.zeros(0, d) for f, d in self.fields.items()}
        self._texts: dict[str, list[str]] = {f: [] for f in self.text}
        self._index: TextIndex | IntIndex = IntIndex() if integers else TextIndex()
        self._free: Rows = NO_ROWS  # ascending
        self._touched: list[Rows] = []
        self._rekeyed: list[Rows] = []

    def __len__(self) -> int:
        return len(self._index)

    def __getitem__(self, field: str) -> npt.NDArray[Any]:
        return self._columns[field]

    def texts(self, field: str) -> list[str]:
        """The backing list of a text column, indexed by row."""
        return self._texts[field]

    def key(self, row: int) -> Any:
        """Key of a live row; KeyError for a free one."""
        key = self._index.key(row)
        if key is None:
            raise KeyError(row)
        return key

    def keys_of(self, rows: Rows) -> Any:
        """Keys of live rows, in order: a list of texts, or an array of integers."""
        return self._index.keys_of(rows)

    def items(self) -> Iterator[tuple[Any, int]]:
        """Every (key, row)."""
        return self._index.items()

    def rows(self) -> Rows:
        """Every live row, in ascending order."""
        live = np.ones(self.size, bool)
        live[self._free] = False
        return live.nonzero()[0]

    def categorical(self, rows: Rows) -> Categorical:
        """Keys of live rows, in order, for a table whose keys are texts."""
        some, codes = grouped(rows)
        return Categorical(self.keys_of(some), codes)

    def find(self, keys: Any) -> Rows:
        """Rows of the keys, −1 where a key is unknown."""
        if isinstance(keys, Categorical):
            keys = keys.used()
            found: Rows = self.find(keys.categories)[keys.codes]
            return found
        return self._index.find(keys)

    def find_one(self, key: Any) -> int:
        """Row of the key, −1 if unknown."""
        return int(self._index.find([key])[0])

    def ensure(self, keys: Any) -> tuple[Rows, Rows]:
        """Rows of the keys, creating what is missing; and the rows that were created, in order of first appearance.

        New keys take free rows first, lowest first, then rows beyond the high-water mark. Of a categorical column each
        text is looked up once, in the order of its categories.
        """
        if isinstance(keys, Categorical):
            keys = keys.used()
            rows, made = self.ensure(keys.categories)
            return rows[keys.codes], made
        rows, made = self._index.ensure(keys, self._free, self.size)
        if made.size:
            reused = min(len(self._free), len(made))
            self._free = self._free[reused:]
            self._grow(self.size + len(made) - reused)
            self.touch(made)
            self._rekeyed.append(made)
        return rows, made

    def touch(self, rows: Rows) -> None:
        """Say that these rows changed, so that the next delta holds them."""
        if rows.size:
            self._touched.append(rows)

    def free(self, rows: Rows) -> None:
        """Forget these live rows: their keys, and (as zeros) their content."""
        if not rows.size:
            return
        self._index.remove(rows)
        for values in self._texts.values():
            for row in rows.tolist():
                values[row] = ""
        for column in self._columns.values():
            column[rows] = 0
        freed = np.sort(rows)
        self._free = np.insert(self._free, np.searchsorted(self._free, freed), freed)
        self.touch(rows)
        self._rekeyed.append(rows)

    def _grow(self, size: int) -> None:
        """Make room for rows below `size`."""
        for values in self._texts.values():
            values.extend(repeat("", size - len(values)))
        self._index.grow(size)
        self.size = size
        self._reserve(size)

    def _reserve(self, size: int) -> None:
        if size <= self._capacity:
            return
        capacity = max(64, size + size // 2)
        for field, column in self._columns.items():
            grown = np.zeros(capacity, column.dtype)
            grown[: self._capacity] = column
            self._columns[field] = grown
        self._capacity = capacity

    # --- persistence -------------------------------------------------------------------------------------------

    def take_delta(self) -> bytes:
        """What changed since the last call, as bytes for `apply`; empty if nothing did."""
        if not self._touched:
            return b""
        rows = distinct(np.concatenate(self._touched))
        payload = self._encode(rows, distinct(np.concatenate([*self._rekeyed, NO_ROWS])))
        self.disregard()
        return payload

    def disregard(self) -> None:
        """Say that nobody will ask what changed so far: of a state that is not kept, the list would only grow."""
        self._touched.clear()
        self._rekeyed.clear()

    def segments(self) -> int:
        """How many segments of SEGMENT_ROWS rows the table has now."""
        return -(-self.size // SEGMENT_ROWS)

    def segment(self, index: int) -> bytes:
        """Every row of a segment, changed or not, as bytes for `apply`."""
        rows = np.arange(index * SEGMENT_ROWS, min(self.size, (index + 1) * SEGMENT_ROWS))
        return self._encode(rows, rows)

    def _encode(self, rows: Rows, keyed: Rows) -> bytes:
        """Header, then in binary: rows (unless they are a span), keyed rows, integer keys, columns."""
        picked = rows.tolist()
        keys = self._index.keys_of(keyed)
        span = len(picked) == 0 or picked[-1] - picked[0] + 1 == len(picked)
        head = orjson.dumps(
            {
                "n": len(picked),
                "from": picked[0] if span and picked else (0 if span else None),
                "size": self.size,
                "keyed": len(keys),
                "keys": None if self.integers else keys,
                "free": np.isin(keyed, self._free).nonzero()[0].tolist() if self.integers and self._free.size else [],
                "text": [[values[r] for r in picked] for values in self._texts.values()],
            }
        )
        parts = [_HEAD.pack(len(head)), head]
        parts.extend([] if span else [rows.astype("<i4").tobytes()])
        parts.append(keyed.astype("<i4").tobytes())
        parts.extend([np.asarray(keys, "<i8").tobytes()] if self.integers else [])
        at = slice(picked[0], picked[-1] + 1) if span and picked else rows
        parts.extend(column[at].tobytes() for column in self._columns.values())
        return b"".join(parts)

    def apply(self, payload: bytes) -> None:
        """Bring the rows that a delta or a segment names to the state that it holds.

        Apply payloads in the order in which they were written, then call `recovered`: until then nothing can be found
        by its key.
        """
        (length,) = _HEAD.unpack_from(payload)
        at = _HEAD.size + length
        head = orjson.loads(payload[_HEAD.size : at])
        count, first, keyed_count = head["n"], head["from"], head["keyed"]
        if head["size"] > self.size:
            self._grow(head["size"])
        rows: Any = slice(first, first + count) if first is not None else np.frombuffer(payload, "<i4", count, at)
        at += 4 * count if first is None else 0
        keyed = np.frombuffer(payload, "<i4", keyed_count, at)
        at += keyed.nbytes
        if isinstance(self._index, IntIndex):
            live = np.ones(keyed_count, bool)
            live[head["free"]] = False
            self._index.name(keyed, np.frombuffer(payload, "<i8", keyed_count, at), live)
            at += 8 * keyed_count
        else:
            self._index.name(keyed, head["keys"])
        for values, new in zip(self._texts.values(), head["text"], strict=True):
            for row, value in zip(range(self.size)[rows] if first is not None else rows.tolist(), new, strict=True):
                values[row] = value
        for column in self._columns.values():
            column[rows] = np.frombuffer(payload, column.dtype, count, at)
            at += count * column.dtype.itemsize

    def recovered(self) -> None:
        """Call once after the last `apply`: finds keys and free rows again, and drops what `apply` marked."""
        self._free = self._index.rebuild()
        self.disregard()

    # --- inspection --------------------------------------------------------------------------------------------

    def nbytes(self) -> int:
        """Bytes held by the fixed-width columns (keys, text and their index come on top)."""
        return sum(c.nbytes for c in self._columns.values())

    def difference(self, other: Table) -> float:
        """Largest absolute difference of any number between two tables of the same shape, rows matched by key.

        A key or a text that only one of them holds counts as infinite.
        """
        ours, theirs = dict(self.items()), dict(other.items())
        if ours.keys() != theirs.keys():
            return float("inf")
        mine = np.fromiter(ours.values(), np.int64, len(self))
        yours = np.fromiter(map(theirs.__getitem__, ours), np.int64, len(self))
        if any([a[i] for i in mine] != [b[i] for i in yours] for a, b in self._text_pairs(other)):
            return float("inf")
        worst = 0.0
        for field, column in self._columns.items():
            a, b = column[mine], other[field][yours]
            same = (a == b) | ((a != a) & (b != b))
            if not same.all():
                gap = np.abs(a[~same].astype(np.float64) - b[~same].astype(np.float64))
                worst = max(worst, float(np.max(np.where(np.isnan(gap), np.inf, gap))))
        return worst

    def _text_pairs(self, other: Table) -> list[tuple[list[str], list[str]]]:
        return [(self._texts[f], other._texts[f]) for f in self.text]
