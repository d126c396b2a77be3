"""Rows on the wire: the parts of a delta or a segment of a table, and how they are read again.

head      JSON, its length (4 bytes, little-endian) in front: n rows, "from" the first of a span, else null; the
          table's size; how many rows are keyed
rows      unless they are a span
keyed     rows whose keys are told: these, which of them are live, and their keys: integers, or lengths and letters
records   the first eight bytes of all of them, then the next eight: so neighbours resemble each other, and shrink.
          Of a text they hold the length, in place of where it lies in memory
letters   of each field of texts
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from streams.tables.compiled import compiled
from streams.tables.index import Rows
from streams.tables.texts import Packed, places_of

_HEAD = struct.Struct("<I")


def head(rows: Rows, size: int, keyed: int) -> list[bytes]:
    """Head and rows."""
    count = len(rows)
    first = int(rows[0]) if count else 0
    span = count == 0 or int(rows[-1]) - first + 1 == count
    packed = orjson.dumps({"n": count, "from": first if span else None, "size": size, "keyed": keyed})
    return [_HEAD.pack(len(packed)), packed, b"" if span else rows.astype("<i4").tobytes()]


class Payload:
    """Reads a delta or a segment, from its beginning on."""

    def __init__(self, payload: bytes) -> None:
        (length,) = _HEAD.unpack_from(payload)
        self._payload = payload
        self._at = _HEAD.size + length
        told: dict[str, Any] = orjson.loads(payload[_HEAD.size : self._at])
        self.size: int = told["size"]
        self.keyed: int = told["keyed"]
        count, first = told["n"], told["from"]
        self.rows: Rows = np.arange(first, first + count) if first is not None else self.row_numbers(count)

    def numbers(self, dtype: str, count: int) -> npt.NDArray[Any]:
        """The next numbers."""
        found = np.frombuffer(self._payload, dtype, count, self._at)
        self._at += found.nbytes
        return found

    def row_numbers(self, count: int) -> Rows:
        """The next numbers of rows."""
        return self.numbers("<i4", count).astype(np.int64)

    def texts(self, lengths: npt.NDArray[Any]) -> Packed:
        """The next texts."""
        places = places_of(lengths.astype(np.int64))
        return Packed(self.numbers("u1", int(lengths.sum())).copy(), places)


@compiled
def pick(records: npt.NDArray[np.int64], rows: Rows, words: npt.NDArray[np.int64]) -> None:
    """[words, rows] the eight bytes of records, from [capacity, words], into the array."""
    for i in range(len(rows)):
        for k in range(len(words)):
            words[k, i] = records[rows[i], k]


@compiled
def put(records: npt.NDArray[np.int64], rows: Rows, words: npt.NDArray[np.int64]) -> None:
    """Inverse of `pick`."""
    for i in range(len(rows)):
        for k in range(len(words)):
            records[rows[i], k] = words[k, i]
