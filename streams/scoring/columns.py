"""Columns of blocks, and room for rows, as compiled loops take them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from streams.tables.blocks import COLUMNS, Block


def numbers(block: Block, *names: str) -> list[npt.NDArray[Any]]:
    """Columns of numbers, each exactly of its declared type and in one piece: of any other a loop is compiled anew."""
    spec = COLUMNS[block.kind]
    return [_as_loops_take_it(block.numbers(name), spec[name]) for name in names]


def _as_loops_take_it(column: npt.NDArray[Any], dtype: str) -> npt.NDArray[Any]:
    fits = column.dtype == dtype and column.flags.c_contiguous and column.flags.writeable
    return column if fits else np.array(column, dtype, order="C")


def room(rows: int) -> npt.NDArray[np.int64]:
    """Room for so many row numbers, which a loop fills."""
    return np.empty(rows, np.int64)
