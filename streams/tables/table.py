"""State as records in one array a table, found by key, that know which of them changed.

A `Table` is the only form in which a partition keeps state. The scoring core reads and writes its records, in compiled
loops (`view`) or with vectorised numpy; the engine persists what changed (`take_delta`), the whole of it piece by piece
(`segment`), and rebuilds it (`apply`). Both payloads are one format, so recovery is a single loop in log order.

Rows are allocated lowest-free-first: two replicas that saw the same log hold the same key in the same row even when
one of them was rebuilt from the changelog in between, which is why a row number may be part of another table's key.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.ma  # by itself numpy takes 50 ms for it when `unique` is first called: amid the first events
import numpy.typing as npt

from streams.tables.categorical import Categorical
from streams.tables.compiled import INTERPRETED, compiled
from streams.tables.field import TEXT, Field
from streams.tables.index import (
    CHANGED,
    COUNT,
    LIVE,
    NO_ROWS,
    ROWS_MIN,
    SIZE,
    Index,
    Int,
    Rows,
    ensure_all,
    find_all,
    grown,
    longer,
    make_index,
    rebuild,
    remove,
    remove_all,
    roomy,
    take_changed,
    touch_all,
)
from streams.tables.names import NameBook
from streams.tables.ordering import grouped
from streams.tables.row_wire import Payload, head, pick, put
from streams.tables.texts import LENGTH_MAX, Columns, TextField, Texts

SEGMENT_ROWS = 2048
_LAYOUTS: dict[np.dtype[Any], np.dtype[Any]] = {}
"""Layouts, each once: numba knows the very same at once, and one that equals it only field by field, 9 µs a table."""


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
    """Free a live row of a table with integer keys: its key, and (as zeros) its fields."""
    view.records[row] = view.blank[0]
    remove(view.rows, row)


def kept_as(dtype: str) -> str:
    """numpy's type of a field of a record: of a text, that of its place."""
    return "i8" if dtype == TEXT else dtype


def layout_of(fields: Mapping[str, str]) -> np.dtype[Any]:
    """The record of a table: its fields as declared, each at a multiple of its size; a multiple of eight bytes.

    Fields that are used together are best declared together, and narrow ones in company.
    """
    spec = {"names": list(fields), "formats": [np.dtype(kept_as(dtype)) for dtype in fields.values()]}
    aligned = np.dtype(spec, align=True)  # type: ignore[call-overload]
    offsets = [aligned.fields[name][1] for name in fields]
    return np.dtype({**spec, "offsets": offsets, "itemsize": max(8, -(-aligned.itemsize // 8) * 8)})  # type: ignore[call-overload,no-any-return]


def records_of(rows: int, layout: np.dtype[Any]) -> npt.NDArray[Any]:
    """So many records of zeros, as compiled loops take them."""
    made = np.zeros(rows, _LAYOUTS.setdefault(layout, layout))
    # In plain Python only records of this class have their fields as attributes.
    return made.view(np.recarray) if INTERPRETED else made


class Table:
    """Rows with a unique key and a record of numbers and texts.

    Args:
        name: name of the table, unique within a partition's state.
        fields: what each row keeps, by name, as declared; or by its type alone.
        integers: whether keys are 64-bit integers, given and returned as arrays, instead of texts.
        texts: where texts of fields lie, to share them with another table; a place of its own by default.

    `table["w"]` is field w of all rows, a view of `records`: index it with rows. Compiled loops take `table.view`. Both
    are replaced when the table grows: take them again after `ensure` and `reserve`. Whoever writes to a row calls
    `touch` on it.
    """

    def __init__(
        self, name: str, fields: Mapping[str, Field | str], integers: bool = False, texts: Texts | None = None
    ) -> None:
        self.name = name
        self.declared = {field: Field(told, "") if isinstance(told, str) else told for field, told in fields.items()}
        self.fields = {field: told.dtype for field, told in self.declared.items()}
        self.integers = integers
        self.layout = layout_of(self.fields)
        self.records = records_of(ROWS_MIN, self.layout)
        self._blank = records_of(1, self.layout)
        self._index = make_index(ROWS_MIN)
        self._names = NameBook(ROWS_MIN)
        self._columns: Columns = {}
        self._take_views()
        self._kept = texts or Texts()
        named = [field for field, dtype in self.fields.items() if dtype == TEXT]
        self._texts = {field: TextField(self._columns, field, self._kept) for field in named}

    def __len__(self) -> int:
        return int(self._index.state[COUNT])

    @property
    def size(self) -> int:
        """Rows ever used: the high-water mark."""
        return int(self._index.state[SIZE])

    def __getitem__(self, field: str) -> npt.NDArray[Any]:
        return self._columns[field]

    def texts(self, field: str) -> TextField:
        """A field of texts, indexed by row."""
        return self._texts[field]

    def key(self, row: int) -> Any:
        """Key of a live row; KeyError for a free one."""
        if not self._index.marks[row] & LIVE:
            raise KeyError(row)
        return int(self._index.keys[row]) if self.integers else self._names.one(row)

    def keys_of(self, rows: Rows) -> Any:
        """Keys of live rows, in order: a list of texts, or an array of integers."""
        return self._index.keys[rows] if self.integers else self._names.of(rows)

    def items(self) -> Iterator[tuple[Any, int]]:
        """Every (key, row)."""
        rows = self.rows()
        return zip(self.keys_of(rows) if not self.integers else self.keys_of(rows).tolist(), rows.tolist(), strict=True)

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
            return self._names.find(self._index, keys)
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
        if not self.integers:
            return self._names.ensure(self._index, keys)
        wanted = _integers(keys)
        rows, made = np.empty(len(wanted), np.int64), np.empty(len(wanted), np.int64)
        return rows, made[: ensure_all(self._index, wanted, rows, made)]

    def touch(self, rows: Rows) -> None:
        """Say that these rows changed, so that the next delta holds them."""
        if rows.size:
            touch_all(self._index, _integers(rows))

    def free(self, rows: Rows) -> None:
        """Forget these live rows: their keys, and (as zeros) their content."""
        if not rows.size:
            return
        remove_all(self._index, _integers(rows))
        if not self.integers:
            self._names.forget(rows)
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
        self._columns.update((field, plain[field]) for field in self.fields)
        self._view = View(self.records, self._index, self._blank)
        self._words = plain.view(np.int64).reshape(len(plain), -1)  # [capacity, words] the records, by eight bytes

    def _grow_to(self, size: int) -> None:
        slots = self._index.slots
        self._widen(roomy(self.size, size))
        if self._index.slots is not slots:
            rebuild(self._index)

    def _widen(self, capacity: int) -> None:
        """Make room for so many rows. Where the index has other slots then, nothing is found by its key yet."""
        arrays: list[npt.NDArray[Any]] = [self.records, *self._index]
        del (
            self.records,
            self._index,
            self._view,
            self._words,
        )  # whoever holds an array keeps it from growing where it lies
        self._columns.clear()
        self.records = longer(arrays, capacity)
        self._index = grown(arrays, capacity)
        if not self.integers:
            self._names.grow(capacity)
        self._take_views()

    def _places_in(self, words: npt.NDArray[np.int64]) -> list[npt.NDArray[np.int64]]:
        """Those rows of [words, rows] that are places of texts."""
        return [words[self.layout.fields[field][1] // 8] for field in self._texts]  # type: ignore[index]

    # --- persistence -------------------------------------------------------------------------------------------

    def take_delta(self) -> bytes:
        """What changed since the last call, as bytes for `apply`; empty if nothing did."""
        rows, keyed = self._changed()
        return self._encode(rows, keyed) if len(rows) else b""

    def disregard(self) -> None:
        """Say that nobody will ask what changed so far."""
        self._changed()

    def _changed(self) -> tuple[Rows, Rows]:
        """The rows that changed since this was last asked, ascending, and those of them whose keys did."""
        count = int(self._index.state[CHANGED])
        if not count:
            return NO_ROWS, NO_ROWS
        self._index.changed[:count].sort()
        rows, keyed = np.empty(count, np.int64), np.empty(count, np.int64)
        return rows, keyed[: take_changed(self._index, rows, keyed)]

    def segments(self) -> int:
        """How many segments of SEGMENT_ROWS rows the table has now."""
        return -(-self.size // SEGMENT_ROWS)

    def segment(self, index: int) -> bytes:
        """Every row of a segment, changed or not, as bytes for `apply`."""
        rows = np.arange(index * SEGMENT_ROWS, min(self.size, (index + 1) * SEGMENT_ROWS))
        return self._encode(rows, rows)

    def _encode(self, rows: Rows, keyed: Rows) -> bytes:
        """See `row_wire`."""
        parts = head(rows, self.size, len(keyed))
        if len(keyed):
            parts.extend([keyed.astype("<i4").tobytes(), (self._index.marks[keyed] & LIVE).tobytes()])
            if self.integers:
                parts.append(self._index.keys[keyed].tobytes())
            else:
                names = self._names.gathered(keyed)
                parts.extend([(names.places & LENGTH_MAX).astype("<u4").tobytes(), names.letters.tobytes()])
        words = np.empty((self.layout.itemsize // 8, len(rows)), np.int64)
        pick(self._words, rows, words)
        letters = []
        for places in self._places_in(words):
            letters.append(self._kept.gathered(places).letters.tobytes())
            places &= LENGTH_MAX
        return b"".join([*parts, words.tobytes(), *letters])

    def apply(self, payload: bytes) -> None:
        """Bring the rows that a delta or a segment names to the state that it holds.

        Apply payloads in the order in which they were written, then call `recovered`: until then nothing can be found
        by its key.
        """
        told = Payload(payload)
        if told.size > self.size:
            if told.size > len(self.records):
                self._widen(roomy(self.size, told.size))
            self._index.state[SIZE] = told.size
        keyed = told.row_numbers(told.keyed)
        self._index.marks[keyed] = told.numbers("u1", told.keyed)
        if self.integers:
            self._index.keys[keyed] = told.numbers("<i8", told.keyed)
        else:
            self._names.name(self._index, keyed, told.texts(told.numbers("<u4", told.keyed)))
        words = told.numbers("<i8", len(told.rows) * self.layout.itemsize // 8).reshape(-1, len(told.rows)).copy()
        places = self._places_in(words)
        texts = [told.texts(lengths) for lengths in places]
        self._kept.reserve(sum(len(packed.letters) for packed in texts))  # at once, for places move when it is full
        for where, packed in zip(places, texts, strict=True):
            where[:] = self._kept.add(packed)
        put(self._words, told.rows, words)

    def recovered(self) -> None:
        """Call once after the last `apply`: finds keys and free rows again, and drops what `apply` marked."""
        rebuild(self._index)
        self.disregard()

    # --- inspection --------------------------------------------------------------------------------------------

    def nbytes(self) -> int:
        """Bytes held by records (keys, texts and their index come on top)."""
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
        if any(texts.of(mine) != other.texts(field).of(yours) for field, texts in self._texts.items()):
            return float("inf")
        worst = 0.0
        for field in self.fields.keys() - self._texts.keys():
            a, b = self[field][mine], other[field][yours]
            same = (a == b) | ((a != a) & (b != b))
            if not same.all():
                gap = np.abs(a[~same].astype(np.float64) - b[~same].astype(np.float64))
                worst = max(worst, float(np.max(np.where(np.isnan(gap), np.inf, gap))))
        return worst
