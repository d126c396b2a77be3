"""Rows in order, each once, in groups: what vectorised code does with row numbers, at a fraction of numpy's cost."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from streams.tables.index import Rows


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
