"""Events of sources, one at a time in log order: dropped if they came before, else counted and stamped."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from streams.contract.codes import DENY, SUPPORT
from streams.scoring.numeric import Int, Ints, mix_key
from streams.scoring.sources.open_claims import join
from streams.scoring.sources.source_tables import SourceViews
from streams.scoring.sources.stamps import StampColumns, Terms, stamp
from streams.tables.compiled import compiled, inlined
from streams.tables.index import ensure, touch

KEPT, REPEAT, CONFLICT = 0, 1, 2  # fates of an event
_LATEST_S = (1 << 32) - 1  # that a field holds
_SHORT = np.uint64((1 << 32) - 1)  # the half of a content's hash that is kept: enough to tell a source's own mistakes


class Said(NamedTuple):
    """The rows of an "events" block.

    Attributes:
        source, claim: their rows.
        event, content: hashes of id and content.
        stance: as it counts. said_ms: event time.
    """

    source: Ints
    claim: Ints
    event: npt.NDArray[np.uint64]
    content: npt.NDArray[np.uint64]
    stance: npt.NDArray[np.int8]
    said_ms: Ints


class Clock(NamedTuple):
    """The log's clocks: append time, s; latest event time, the moment of a stamp; how many rows changed something."""

    now_s: int
    latest_ms: int
    sequence: int


class Heard(NamedTuple):
    """What became of the rows.

    Attributes:
        fate: of each. kept: the rows that are, first in the array. pair: and their pairs.
        joined: of those that are kept, which assert on a second claim of their source, or a later one.
    """

    fate: npt.NDArray[np.int8]
    kept: Ints
    pair: Ints
    joined: npt.NDArray[np.bool_]


def unheard(count: int) -> Heard:
    """Room for the fates of so many rows."""
    rows = np.empty((2, count), np.int64)
    return Heard(np.empty(count, np.int8), rows[0], rows[1], np.empty(count, np.bool_))


@compiled
def hear(
    tables: SourceViews, said: Said, clock: Clock, terms: Terms, heard: Heard, out: StampColumns
) -> tuple[int, int]:
    """Fold events.

    Returns:
        how many rows are kept, and the latest event time now.
    """
    count, latest_ms = 0, clock.latest_ms
    for i in range(len(said.source)):
        source = said.source[i]
        row, made = join(tables, source, said.claim[i])
        heard.fate[i] = _fate(tables, row, made, said.event[i], said.content[i], clock.now_s)
        if heard.fate[i] != KEPT:
            continue
        latest_ms = max(latest_ms, said.said_ms[i])
        _count(tables, source, row, made, clock.now_s)
        pair = tables.pairs.records[row]
        pair.spoke_s = min(max(1, latest_ms // 1000), _LATEST_S)
        pair.generation = terms.generation
        stamp(tables, row, terms, out, count)
        out.z[count] = clock.sequence + count + 1
        heard.kept[count], heard.pair[count] = i, row
        asserts = said.stance[i] == SUPPORT or said.stance[i] == DENY
        heard.joined[count] = made and asserts and tables.sources.records[source].claims > 1
        count += 1
    return count, int(latest_ms)


@inlined
def _fate(tables: SourceViews, row: Int, made: bool, event: np.uint64, content: np.uint64, now_s: Int) -> Int:
    """Whether an event came before: the same id with the same content is a repeat, with another a conflict."""
    pair, short = tables.pairs.records[row], np.uint32(content & _SHORT)
    if made:
        pair.event, pair.content = event, short
        return KEPT
    known = pair.content
    if pair.event != event:
        extra, first = ensure(tables.extras.rows, mix_key(row, event))
        if first:
            tables.extras.records[extra].content, tables.extras.records[extra].seen_s = short, now_s
            return KEPT
        known = tables.extras.records[extra].content
    return REPEAT if known == short else CONFLICT


@inlined
def _count(tables: SourceViews, source: Int, row: Int, made: bool, now_s: Int) -> None:
    """One more event of a source in a claim; if it had taken back all that it said there, it is in it again."""
    record, pair = tables.sources.records[source], tables.pairs.records[row]
    if made and pair.older > 0:
        pair.met = 1
    if made or (pair.gone > 0 and pair.gone == pair.events):
        record.claims += 1
    record.events += 1
    pair.events += 1
    record.seen_s = pair.seen_s = now_s
    touch(tables.sources.rows, source)
    touch(tables.pairs.rows, row)
