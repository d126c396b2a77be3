"""State as records in one array a table, found by key, that know which of them changed.

A `Table` is the only form in which a partition keeps state. The scoring core reads and writes its records, in compiled
loops (`view`) or with vectorised numpy; the engine persists what changed (`take_delta`), the whole of it piece by piece
(`segment`), and rebuilds it (`apply`). Both payloads are one format, so recovery is a single loop in log order.

Rows are allocated lowest-free-first: two replicas that saw the same log hold the same key in the same row even when
one of them was rebuilt from the changelog in between, which is why a row number may be part of another table's key.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from itertools import repeat
from typing import Any, NamedTuple

import numpy as np
import numpy.ma  # by itself numpy takes 50 ms for it when `unique` is first called: amid the first events
import numpy.typing as npt
import orjson

from streams.tables.categorical import Categorical
from streams.tables.compiled import INTERPRETED, compiled
from streams.tables.field import Field
from streams.tables.index import (
    CHANGED,
    COUNT,
    LIVE,
    REKEYED,
    ROWS_MIN,
    SIZE,
    Index,
    Int,
    Rows,
    TextIndex,
    allocate_all,
    ensure_all,
    find_all,
    grown,
    make_index,
    rebuild,
    remove,
    remove_all,
    touch_all,
)
from streams.tables.ordering import grouped

SEGMENT_ROWS = 2048
_HEAD = struct.Struct("<I")


def _integers(values: Any) -> Rows:
    """As compiled functions take them: one type of array, or each would be compiled several times."""
    found = np.ascontiguousarray(values, np.int64)
    return found if found.flags.writeable else found.copy()


class View(NamedTuple):
    """What compiled loops take of a table; to be taken anew (`Table.view`) after the table may have grown.

    Attributes:
        records: [capacity] the rows' fields: `view.records[row].denials += 1`. Whoever writes one calls `touch`.
        rows: which rows there are, and which of them changed.
        blank: a row of zeros.
    """

    records: Any
    rows: Index
    blank: npt.NDArray[Any]


@compiled
def forget(view: View, row: Int) -> None:
    """Free a live row of a table with integer keys: its key, and (as zeros) its fields. Texts stay until it is used."""
    view.records[row] = view.blank[0]
    remove(view.rows, row)


def layout_of(fields: Mapping[str, str]) -> np.dtype[Any]:
    """The record of a table: its fields as declared, each at a multiple of its size; a multiple of eight bytes.

    Fields that are used together are best declared together, and narrow ones in company.
    """
    spec = {"names": list(fields), "formats": [np.dtype(dtype) for dtype in fields.values()]}
    aligned = np.dtype(spec, align=True)  # type: ignore[call-overload]
    offsets = [aligned.fields[name][1] for name in fields]
    return np.dtype({**spec, "offsets": offsets, "itemsize": max(8, -(-aligned.itemsize // 8) * 8)})  # type: ignore[call-overload,no-any-return]


def records_of(rows: int, layout: np.dtype[Any]) -> npt.NDArray[Any]:
    """So many records of zeros, as compiled loops take them."""
    made = np.zeros(rows, layout)
    # In plain Python only records of this class have their fields as attributes.
    return made.view(np.recarray) if INTERPRETED else made


class Table:
    """Rows with a unique key, a record of numbers and, if wanted, texts.

    Args:
        name: name of the table, unique within a partition's state.
        fields: the numbers of a row by name, as declared; or by numpy's type alone.
        text: names of columns that hold Python strings (empty by default).
        integers: whether keys are 64-bit integers, given and returned as arrays, instead of texts.

    `table["w"]` is field w of all rows, a view of `records`: index it with rows. Compiled loops take `table.view`. Both
    are replaced when the table grows: take them again after `ensure` and `reserve`. Whoever writes to a row calls
    `touch` on it.
    """

    def __init__(
        self, name: str, fields: Mapping[str, Field | str], text: Sequence[str] = (), integers: bool = False
    ) -> None:
        self.name = name
        self.declared = {field: Field(told, "") if isinstance(told, str) else told for field, told in fields.items()}
        self.fields = {field: told.dtype for field, told in self.declared.items()}
        self.text = tuple(text)
        self.integers = integers
        self.layout = layout_of(self.fields)
        self.records = records_of(ROWS_MIN, self.layout)
        self._blank = records_of(1, self.layout)
        self._index = make_index(integers)
        self._by_text = TextIndex()
        self._texts: dict[str, list[str]] = {f: [] for f in self.text}
        self._take_views()

    def __len__(self) -> int:
        return int(self._index.state[COUNT])

    @property
    def size(self) -> int:
        """Rows ever used: the high-water mark."""
        return int(self._index.state[SIZE])

    def __getitem__(self, field: str) -> npt.NDArray[Any]:
        return self._columns[field]

    def texts(self, field: str) -> list[str]:
        """The backing list of a text column, indexed by row."""
        self._lengthen_texts()
        return self._texts[field]

    def key(self, row: int) -> Any:
        """Key of a live row; KeyError for a free one."""
        if not self._index.marks[row] & LIVE:
            raise KeyError(row)
        return int(self._index.keys[row]) if self.integers else self._by_text.keys[row]

    def keys_of(self, rows: Rows) -> Any:
        """Keys of live rows, in order: a list of texts, or an array of integers."""
        if self.integers:
            return self._index.keys[rows]
        return list(map(self._by_text.keys.__getitem__, rows.tolist()))

    def items(self) -> Iterator[tuple[Any, int]]:
        """Every (key, row)."""
        if not self.integers:
            return self._by_text.items()
        rows = self.rows()
        return zip(self._index.keys[rows].tolist(), rows.tolist(), strict=True)

    def rows(self) -> Rows:
        """Every live row, in ascending order."""
        return (self._index.marks[: self.size] & LIVE).nonzero()[0]

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
        if not self.integers:
            return self._by_text.find(keys)
        wanted = _integers(keys)
        rows = np.empty(len(wanted), np.int64)
        find_all(self._index, wanted, rows)
        return rows

    def find_one(self, key: Any) -> int:
        """Row of the key, −1 if unknown."""
        return int(self.find([key])[0])

    def ensure(self, keys: Any) -> tuple[Rows, Rows]:
        """Rows of the keys, creating what is missing; and the rows that were created, in order of first appearance.

        New keys take free rows first, lowest first, then rows beyond the high-water mark. Of a categorical column each
        text is looked up once.
        """
        if isinstance(keys, Categorical):
            keys = keys.used()
            rows, made = self.ensure(keys.categories)
            return rows[keys.codes], made
        self.reserve(len(keys))
        if self.integers:
            wanted = _integers(keys)
            rows, made = np.empty(len(wanted), np.int64), np.empty(len(wanted), np.int64)
            made = made[: ensure_all(self._index, wanted, rows, made)]
        else:
            rows, made = self._by_text.ensure(keys, self._index)
            allocate_all(self._index, len(made))
        self._lengthen_texts()
        return rows, made

    def touch(self, rows: Rows) -> None:
        """Say that these rows changed, so that the next delta holds them."""
        if rows.size:
            touch_all(self._index, _integers(rows))

    def free(self, rows: Rows) -> None:
        """Forget these live rows: their keys, and (as zeros) their content."""
        if not rows.size:
            return
        rows = _integers(rows)
        remove_all(self._index, rows)
        if not self.integers:
            self._by_text.remove(rows)
        for values in self._texts.values():
            for row in rows.tolist():
                values[row] = ""
        self.records[rows] = self._blank[0]

    # --- for compiled loops ------------------------------------------------------------------------------------

    def reserve(self, rows: int) -> None:
        """Make room for so many more rows than are live, which a compiled loop may then add."""
        # Rows that are free count as room only up to the high-water mark.
        if self.size + rows > len(self.records):
            self._grow_to(self.size + rows)

    @property
    def view(self) -> View:
        """What compiled loops take of the table."""
        return self._view

    def _take_views(self) -> None:
        plain = self.records.view(np.ndarray)
        self._columns: dict[str, npt.NDArray[Any]] = {f: plain[f] for f in self.fields}
        self._view = View(self.records, self._index, self._blank)

    def _grow_to(self, size: int) -> None:
        capacity = 2 * size
        records = records_of(capacity, self.layout)
        records[: self.size] = self.records[: self.size]
        self.records = records
        self._index = grown(self._index, capacity, self.integers)
        self._take_views()

    def _lengthen_texts(self) -> None:
        for values in self._texts.values():
            values.extend(repeat("", self.size - len(values)))

    # --- persistence -------------------------------------------------------------------------------------------

    def take_delta(self) -> bytes:
        """What changed since the last call, as bytes for `apply`; empty if nothing did."""
        count = int(self._index.state[CHANGED])
        if not count:
            return b""
        rows = np.sort(self._index.changed[:count]).astype(np.int64)
        payload = self._encode(rows, rows[(self._index.marks[rows] & REKEYED) > 0])
        self.disregard()
        return payload

    def disregard(self) -> None:
        """Say that nobody will ask what changed so far."""
        state, changed = self._index.state, self._index.changed
        self._index.marks[changed[: state[CHANGED]]] &= LIVE
        state[CHANGED] = 0

    def segments(self) -> int:
        """How many segments of SEGMENT_ROWS rows the table has now."""
        return -(-self.size // SEGMENT_ROWS)

    def segment(self, index: int) -> bytes:
        """Every row of a segment, changed or not, as bytes for `apply`."""
        rows = np.arange(index * SEGMENT_ROWS, min(self.size, (index + 1) * SEGMENT_ROWS))
        return self._encode(rows, rows)

    def _encode(self, rows: Rows, keyed: Rows) -> bytes:
        """Header, then in binary: rows (unless they are a span), keyed rows and their marks, integer keys, records.

        Of records first the first eight bytes of each, then the next eight: so neighbours resemble each other, and
        shrink.
        """
        count = len(rows)
        span = count == 0 or int(rows[-1]) - int(rows[0]) + 1 == count
        picked = rows.tolist() if self._texts else []
        head = orjson.dumps(
            {
                "n": count,
                "from": (int(rows[0]) if count else 0) if span else None,
                "size": self.size,
                "keyed": len(keyed),
                "keys": None if self.integers else self.keys_of(keyed),
                "text": [[values[r] for r in picked] for values in self._texts.values()],
            }
        )
        parts = [_HEAD.pack(len(head)), head]
        parts.extend([] if span else [rows.astype("<i4").tobytes()])
        parts.append(keyed.astype("<i4").tobytes())
        parts.append((self._index.marks[keyed] & LIVE).tobytes())
        parts.extend([self._index.keys[keyed].tobytes()] if self.integers else [])
        at: Any = slice(int(rows[0]), int(rows[-1]) + 1) if span and count else rows
        words = self.records.view(np.ndarray)[at].view(np.int64).reshape(count, self.layout.itemsize // 8)
        parts.append(words.T.tobytes())
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
            if head["size"] > len(self.records):
                self._grow_to(head["size"])
            self._index.state[SIZE] = head["size"]
            self._lengthen_texts()
        rows: Any = slice(first, first + count) if first is not None else np.frombuffer(payload, "<i4", count, at)
        at += 4 * count if first is None else 0
        keyed = np.frombuffer(payload, "<i4", keyed_count, at)
        at += keyed.nbytes
        self._index.marks[keyed] = np.frombuffer(payload, np.uint8, keyed_count, at)
        at += keyed_count
        if self.integers:
            self._index.keys[keyed] = np.frombuffer(payload, "<i8", keyed_count, at)
            at += 8 * keyed_count
        else:
            self._by_text.name(keyed, head["keys"], self.size)
        for values, new in zip(self._texts.values(), head["text"], strict=True):
            for row, value in zip(range(self.size)[rows] if first is not None else rows.tolist(), new, strict=True):
                values[row] = value
        words = np.frombuffer(payload, "<i8", count * self.layout.itemsize // 8, at)
        whole = np.ascontiguousarray(words.reshape(-1, count).T) if count else words
        self.records.view(np.ndarray)[rows] = whole.view(self.layout).reshape(count)

    def recovered(self) -> None:
        """Call once after the last `apply`: finds keys and free rows again, and drops what `apply` marked."""
        rebuild(self._index)
        if not self.integers:
            self._by_text.rebuild()
        self.disregard()

    # --- inspection --------------------------------------------------------------------------------------------

    def nbytes(self) -> int:
        """Bytes held by records (keys, text and their index come on top)."""
        return self.size * self.layout.itemsize

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
