"""Which rows of a data set may be no valid events, so that the decoder must look at them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from msgspec.inspect import EnumType, StrType

from streams.agents.intake.careful import Limits
from streams.contract.record_fields import Field, fields_of
from streams.contract.records import Event
from streams.contract.words import CLOCK_MIN_MS

ESCAPED_BYTES_MAX = 6
"""Most bytes that one character takes in JSON: \\u0000."""
_TEXTS = [spec for spec in fields_of(Event) if isinstance(spec.shape, StrType | EnumType)]
FRAME_BYTES = 512
"""More than the names, quotes and numbers of an event take."""


def doubtful(
    columns: Mapping[str, Sequence[str]], occurred_at_ms: npt.NDArray[np.int64], append_ms: int, limits: Limits
) -> npt.NDArray[np.bool_]:
    """[rows] bool: whether the decoder must look at the row. It would certainly take all others.

    Good rows are checked together, so that a million of them cost little. Doubtful rows are not judged here: what is
    valid is defined in one place, `careful`.

    Args:
        columns: field of an event record → [rows] its text, "" where the record has none.
        occurred_at_ms: [rows] times of the events.
        append_ms: when they are, or would be, appended to the log.
        limits: the operator's.
    """
    rows = len(occurred_at_ms)
    doubt = (occurred_at_ms < CLOCK_MIN_MS) | (occurred_at_ms > append_ms + limits.clock_ahead_max_ms)
    longest = 0
    for spec in _TEXTS:
        column = columns.get(spec.name) or [""] * rows
        longest += (most := max(map(len, column), default=0))
        if spec.words is None and _all_plain(column, most, spec):
            continue
        if bad := {cell for cell in set(column) if not _plain(cell, spec)}:
            doubt |= np.fromiter(map(bad.__contains__, column), np.bool_, rows)
    claims = columns.get("claim_id") or [""] * rows
    if "" in claims:  # orphans, perhaps
        doubt |= np.fromiter(map("".__eq__, claims), np.bool_, rows)
    if FRAME_BYTES + longest * ESCAPED_BYTES_MAX > limits.value_bytes_max:
        characters = sum(np.fromiter(map(len, column), np.int64, rows) for column in columns.values())
        doubt |= FRAME_BYTES + characters * ESCAPED_BYTES_MAX > limits.value_bytes_max
    return doubt


def _all_plain(cells: Sequence[str], longest: int, spec: Field) -> bool:
    """Whether all cells are plain. The longest has `longest` characters."""
    if (spec.max_length is not None and longest > spec.max_length) or (spec.required and "" in cells):
        return False
    return not spec.identifier or "".join(cells).isprintable()


def _plain(cell: str, spec: Field) -> bool:
    if not cell:
        return not spec.required
    if spec.words is not None:
        return cell in spec.words._value2member_map_
    return (spec.max_length is None or len(cell) <= spec.max_length) and (not spec.identifier or cell.isprintable())
