"""Times as data sets write them: seconds or milliseconds since 1970, or ISO 8601; which of them is decided by file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

from streams.contract.words import CLOCK_MIN_MS
from streams.datasets.csv_files import FIRST_ROW, DatasetError

SECONDS_MAX = 4.2e9  # the year 2103; no clock in milliseconds since 1970 is as low, but for the first seven weeks
SECONDS_MIN = CLOCK_MIN_MS / 1000
FARTHEST_MS = 1e18
"""Beyond it, in either direction, a time is no more absurd than at it; and it fits into 64 bits."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Times:
    """A column of times.

    Attributes:
        ms: [rows] milliseconds since 1970; 0 where the cell is no time.
        unreadable: positions of the cells that are no time, ascending.
    """

    ms: npt.NDArray[np.int64]
    unreadable: list[int]


def read_times(column: Sequence[str], path: Path) -> Times:
    """Times of a column, all in one unit: that in which some of them lie between the years 2000 and 2103.

    Cells that are no time are named. Whether a time makes sense in the file's unit is for whoever checks clocks.
    A time of ISO 8601 without an offset is UTC.

    Raises:
        DatasetError: the file mixes units, or all its times are beyond milliseconds.
    """
    numbers, moments = _numbers(column)
    is_number = np.isfinite(numbers)
    seconds = is_number & (numbers >= SECONDS_MIN) & (numbers < SECONDS_MAX)
    milliseconds = is_number & (numbers >= SECONDS_MIN * 1000) & (numbers < SECONDS_MAX * 1000)
    texts = np.isfinite(moments)
    firsts = {
        name: int(np.argmax(found))
        for name, found in (("seconds", seconds), ("milliseconds", milliseconds), ("ISO 8601", texts))
        if found.any()
    }
    if len(firsts) > 1:
        told = " and ".join(f"{name} (row {at + FIRST_ROW}: {column[at]})" for name, at in firsts.items())
        raise DatasetError(f"{path}: `ts` mixes {told}. Write all times in one way")
    if not firsts and is_number.any() and numbers[is_number].min() >= SECONDS_MAX * 1000:
        raise DatasetError(
            f"{path}: `ts` must be seconds or milliseconds since 1970, or ISO 8601, and "
            f"{column[int(np.argmax(is_number))]} is more (microseconds? Divide them by 1000)"
        )
    ms = np.where(is_number, numbers if "milliseconds" in firsts else numbers * 1000, moments * 1000)
    readable = np.isfinite(ms)
    ms = np.clip(np.round(np.where(readable, ms, 0.0)), -FARTHEST_MS, FARTHEST_MS)
    return Times(ms.astype(np.int64), np.flatnonzero(~readable).tolist())


def _numbers(column: Sequence[str]) -> tuple[Floats, Floats]:
    """[rows] cells as numbers, and as moments in seconds; not a number for those that are none."""
    none = np.full(len(column), np.nan)
    try:
        return np.array(column, np.float64), none
    except ValueError:
        pass
    numbers, moments = none, none.copy()
    for i, cell in enumerate(column):
        try:
            moments[i] = _moment(cell)
        except ValueError:
            try:
                numbers[i] = float(cell)
            except ValueError:
                continue
    return numbers, moments


def _moment(text: str) -> float:
    """Seconds since 1970 of a date and time of ISO 8601; ValueError if the text is none.

    >>> _moment("2014-08-10T11:28:53Z"), _moment("2014-08-10 13:28:53.5+02:00")
    (1407670133.0, 1407670133.5)
    """
    if text.strip().isdigit():
        raise ValueError(text)  # such as 20140810, a day as ISO 8601 may write it: digits alone are a number here
    found = datetime.fromisoformat(text.strip())
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
