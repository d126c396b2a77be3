"""State as rows of numpy columns, found by key, that know which of their rows changed.

A `Table` is the only form in which a partition keeps state. The scoring core reads and writes its columns with
vectorised numpy; the engine persists what changed (`take_delta`), the whole of it piece by piece (`segment`), and
rebuilds it (`apply`). Both payloads are one format, so recovery is a single loop in log order.

Rows are allocated lowest-free-first: two replicas that saw the same log hold the same key in the same row even when
one of them was rebuilt from the changelog in between, which is why a row number may be part of another table's key.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, count, islice, repeat
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from streams.categorical import Categorical

Key = str | int
Rows = npt.NDArray[np.int64]

SEGMENT_ROWS = 2048
_HEAD = struct.Struct("<I")
_NO_ROWS: Rows = np.zeros(0, np.int64)


def distinct(rows: Rows) -> Rows:
    """The distinct values, ascending: numpy's `unique` at a quarter of its cost."""
    if len(rows) < 2:
        return rows
    ordered = np.sort(rows)
    keep = np.empty(len(ordered), bool)
    keep[0] = True
    np.not_equal(ordered[1:], ordered[:-1], out=keep[1:])
    found: Rows = ordered[keep]
    return found


class Table:
    """Rows with a unique key, fixed-width columns and, if wanted, text columns.

    Args:
        name: name of the table, unique within a partition's state.
        fields: column name → numpy dtype, in storage order. A new row is zero in every column.
        text: names of columns that hold Python strings (empty by default).

    `table["w"]` is the whole backing array of column w: index it with rows. Arrays are replaced when the table
    grows, so take them again after `ensure`. Whoever writes to a row calls `touch` on it.
    """

    def __init__(self, name: str, fields: Mapping[str, str], text: Sequence[str] = ()) -> None:
        self.name = name
        self.fields = dict(fields)
        self.text = tuple(text)
        self.size = 0  # rows ever used: the high-water mark
        self._capacity = 0
        self._columns: dict[str, npt.NDArray[Any]] = {f: np.zeros(0, d) for f, d in self.fields.items()}
        self._texts: dict[str, list[str]] = {f: [] for f in self.text}
        self._keys: list[Key | None] = []
        self._row_of: defaultdict[Key, int] = defaultdict(None)
        self._free: list[int] = []  # ascending
        self._touched: list[Rows] = []
        self._rekeyed: list[Rows] = []

    def __len__(self) -> int:
        return len(self._row_of)

    def __getitem__(self, field: str) -> npt.NDArray[Any]:
        return self._columns[field]

    def texts(self, field: str) -> list[str]:
        """The backing list of a text column, indexed by row."""
        return self._texts[field]

    def key(self, row: int) -> Key:
        """Key of a live row; KeyError for a free one."""
        key = self._keys[row]
        if key is None:
            raise KeyError(row)
        return key

    def keys_of(self, rows: Iterable[int]) -> list[Any]:
        """Keys of live rows, in order."""
        keys = self._keys
        return [keys[r] for r in rows]

    def items(self) -> Iterator[tuple[Key, int]]:
        """Every (key, row), in order of creation or recovery."""
        return iter(self._row_of.items())

    def rows(self) -> Rows:
        """Every live row, in ascending order."""
        if len(self._row_of) == self.size:
            return np.arange(self.size)
        return np.fromiter((r for r, k in enumerate(self._keys) if k is not None), np.int64)

    def categorical(self, rows: Rows) -> Categorical:
        """Keys of live rows, in order, for a table whose keys are texts."""
        some, codes = np.unique(rows, return_inverse=True)
        return Categorical(self.keys_of(some.tolist()), codes)

    def find(self, keys: Sequence[Key]) -> Rows:
        """Rows of the keys, −1 where a key is unknown."""
        if isinstance(keys, Categorical):
            keys = keys.used()
            return self.find(keys.categories)[keys.codes]
        return np.fromiter(map(self._row_of.get, keys, repeat(-1)), np.int64, len(keys))

    def find_one(self, key: Key) -> int:
        """Row of the key, −1 if unknown."""
        return self._row_of.get(key, -1)

    def ensure(self, keys: Sequence[Key]) -> tuple[Rows, Rows]:
        """Rows of the keys, creating what is missing; and the rows that were created, in order of first appearance.

        New keys take free rows first, lowest first, then rows beyond the high-water mark. Of a categorical column each
        text is looked up once, in the order of its categories.
        """
        if isinstance(keys, Categorical):
            keys = keys.used()
            rows, made = self.ensure(keys.categories)
            return rows[keys.codes], made
        row_of, free = self._row_of, self._free
        before = len(row_of)
        # The dictionary itself hands out rows: one pass in C for known and new keys alike.
        row_of.default_factory = (chain(free, count(self.size)) if free else count(self.size)).__next__
        rows = np.fromiter(map(row_of.__getitem__, keys), np.int64, len(keys))
        row_of.default_factory = None
        created = len(row_of) - before
        if not created:
            return rows, _NO_ROWS
        new = list(islice(reversed(row_of), created))
        new.reverse()
        reused = min(len(free), created)
        made = np.arange(self.size - reused, self.size - reused + created)
        if reused:
            made[:reused] = free[:reused]
            for row, key in zip(free, new[:reused], strict=False):
                self._keys[row] = key
            del free[:reused]
        self._grow(new[reused:])
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
        for row in rows.tolist():
            del self._row_of[self.key(row)]
            self._keys[row] = None
            for values in self._texts.values():
                values[row] = ""
        for column in self._columns.values():
            column[rows] = 0
        self._free.extend(rows.tolist())
        self._free.sort()
        self.touch(rows)
        self._rekeyed.append(rows)

    def _grow(self, keys: Sequence[Key | None]) -> None:
        """Append rows with these keys beyond the high-water mark."""
        self._keys.extend(keys)
        for values in self._texts.values():
            values.extend(repeat("", len(keys)))
        self.size += len(keys)
        self._reserve(self.size)

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
        payload = self._encode(rows, distinct(np.concatenate([*self._rekeyed, _NO_ROWS])))
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
        keys = [self._keys[r] for r in keyed.tolist()]
        # Integer keys go as binary; a freed row has none and may make the list a mixed one.
        binary = set(map(type, keys)) == {int}
        span = len(picked) == 0 or picked[-1] - picked[0] + 1 == len(picked)
        head = orjson.dumps(
            {
                "n": len(picked),
                "from": picked[0] if span and picked else (0 if span else None),
                "size": self.size,
                "keyed": len(keys),
                "keys": None if binary else keys,
                "text": [[values[r] for r in picked] for values in self._texts.values()],
            }
        )
        parts = [_HEAD.pack(len(head)), head]
        parts.extend([] if span else [rows.astype("<i4").tobytes()])
        parts.append(keyed.astype("<i4").tobytes())
        parts.extend([np.asarray(keys, "<i8").tobytes()] if binary else [])
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
            self._grow([None] * (head["size"] - self.size))
        rows: Any = slice(first, first + count) if first is not None else np.frombuffer(payload, "<i4", count, at)
        at += 4 * count if first is None else 0
        keyed = np.frombuffer(payload, "<i4", keyed_count, at)
        at += keyed.nbytes
        keys: list[Key | None] = head["keys"]
        if keys is None:
            keys = np.frombuffer(payload, "<i8", keyed_count, at).tolist()
            at += 8 * keyed_count
        self._name(keyed, keys)
        for values, new in zip(self._texts.values(), head["text"], strict=True):
            for row, value in zip(range(self.size)[rows] if first is not None else rows.tolist(), new, strict=True):
                values[row] = value
        for column in self._columns.values():
            column[rows] = np.frombuffer(payload, column.dtype, count, at)
            at += count * column.dtype.itemsize

    def _name(self, keyed: Rows, keys: list[Key | None]) -> None:
        """Set the keys of rows; the dictionary follows in `recovered`, at once and in C."""
        if not len(keys):
            return
        first, last = int(keyed[0]), int(keyed[-1])
        if last - first + 1 == len(keys):
            self._keys[first : last + 1] = keys
            return
        own = self._keys
        for row, key in zip(keyed.tolist(), keys, strict=True):
            own[row] = key

    def recovered(self) -> None:
        """Call once after the last `apply`: finds keys and free rows again, and drops what `apply` marked."""
        self._row_of = defaultdict(None, zip(self._keys, range(self.size), strict=True))  # type: ignore[arg-type]
        self._free = []
        if self._row_of.pop(None, None) is not None:  # type: ignore[call-overload]
            self._free = [r for r, k in enumerate(self._keys) if k is None]
        self.disregard()

    # --- inspection --------------------------------------------------------------------------------------------

    def nbytes(self) -> int:
        """Bytes held by the fixed-width columns (keys, text and the dictionary come on top)."""
        return sum(c.nbytes for c in self._columns.values())

    def difference(self, other: Table) -> float:
        """Largest absolute difference of any number between two tables of the same shape, rows matched by key.

        A key or a text that only one of them holds counts as infinite.
        """
        if self._row_of.keys() != other._row_of.keys():
            return float("inf")
        mine = np.fromiter(self._row_of.values(), np.int64, len(self))
        theirs = np.fromiter((other._row_of[k] for k in self._row_of), np.int64, len(self))
        if any([a[i] for i in mine] != [b[i] for i in theirs] for a, b in self._text_pairs(other)):
            return float("inf")
        worst = 0.0
        for field, column in self._columns.items():
            a, b = column[mine], other[field][theirs]
            same = (a == b) | ((a != a) & (b != b))
            if not same.all():
                gap = np.abs(a[~same].astype(np.float64) - b[~same].astype(np.float64))
                worst = max(worst, float(np.max(np.where(np.isnan(gap), np.inf, gap))))
        return worst

    def _text_pairs(self, other: Table) -> list[tuple[list[str], list[str]]]:
        return [(self._texts[f], other._texts[f]) for f in self.text]
