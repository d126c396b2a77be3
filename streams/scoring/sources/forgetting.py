"""What a sources partition forgets, in bounded steps: claims long quiet, and events that nobody repeats any more."""

from __future__ import annotations

from typing import Any

from streams.scoring.numeric import Int, Ints
from streams.scoring.sources.open_claims import leave
from streams.scoring.sources.source_tables import SourceViews, claim_of
from streams.tables.compiled import compiled
from streams.tables.index import LIVE
from streams.tables.table import View, forget


@compiled
def quiet_rows(table: View, before_s: Int, found: Ints) -> int:
    """The first rows that were last seen before that, as many as the array has room for; how many."""
    count = 0
    for row in range(table.rows.state[0]):
        if count == len(found):
            break
        if table.rows.marks[row] & LIVE and table.records[row].seen_s < before_s:
            found[count] = row
            count += 1
    return count


@compiled
def quiet_pairs(pairs: View, before_s: Int, settled_before_s: Int, found: Ints) -> int:
    """The same of pairs; those to which a verdict was applied have a bound of their own."""
    count = 0
    for row in range(pairs.rows.state[0]):
        if count == len(found):
            break
        if pairs.rows.marks[row] & LIVE:
            pair: Any = pairs.records[row]
            if pair.seen_s < (settled_before_s if pair.settlement > 0 else before_s):
                found[count] = row
                count += 1
    return count


@compiled
def forget_extras(extras: View, rows: Ints) -> None:
    """Forget these events."""
    for row in rows:
        forget(extras, row)


@compiled
def forget_pairs(tables: SourceViews, rows: Ints, emptied: Ints) -> int:
    """Forget these pairs; the claims that have none left, into the array; how many."""
    count = 0
    for row in rows:
        claim = claim_of(tables.pairs.rows.keys[row])
        if leave(tables, row):
            emptied[count] = claim
            count += 1
    return count


@compiled
def untold(sources: View, idle_since_s: Int, found: Ints) -> int:
    """The same of sources that are quiet, and whose events moved since their last record."""
    count = 0
    for row in range(sources.rows.state[0]):
        if count == len(found):
            break
        source: Any = sources.records[row]
        if source.events != source.told_events and source.seen_s <= idle_since_s:
            found[count] = row
            count += 1
    return count
