"""Each source's list of recent claims, newest first, as links between rows of the pairs table.

Doubly linked: `source.newest`, `pair.older`, `pair.newer`, all row + 1 with 0 for none.
"""

from __future__ import annotations

from streams.scoring.numeric import Int, Ints
from streams.scoring.sources.source_tables import SourceViews, claim_of, pair_key, source_of
from streams.tables.compiled import compiled, inlined
from streams.tables.index import ensure, touch
from streams.tables.table import forget


@inlined
def join(tables: SourceViews, source: Int, claim: Int) -> tuple[Int, bool]:
    """Row of a pair, and whether it was made just now: at the front of its source's list."""
    row, made = ensure(tables.pairs.rows, pair_key(source, claim))
    if made:
        tables.claims.records[claim].pairs += 1
        touch(tables.claims.rows, claim)
        pairs, head = tables.pairs.records, tables.sources.records[source]
        pairs[row].older = head.newest
        if head.newest:
            pairs[head.newest - 1].newer = row + 1
            touch(tables.pairs.rows, head.newest - 1)
        head.newest = row + 1
        touch(tables.sources.rows, source)
    return row, made


@compiled
def leave(tables: SourceViews, row: Int) -> bool:
    """Take a pair out of its source's list and forget it; whether its claim has none left."""
    pairs, key = tables.pairs.records, tables.pairs.rows.keys[row]
    older, newer = pairs[row].older, pairs[row].newer
    source = tables.sources.records[source_of(key)]
    if newer:
        pairs[newer - 1].older = older
        touch(tables.pairs.rows, newer - 1)
    elif source.newest == row + 1:
        source.newest = older
        touch(tables.sources.rows, source_of(key))
    if older:
        pairs[older - 1].newer = newer
        touch(tables.pairs.rows, older - 1)
    forget(tables.pairs, row)
    claim = tables.claims.records[claim_of(key)]
    claim.pairs -= 1
    touch(tables.claims.rows, claim_of(key))
    return bool(claim.pairs == 0)


@compiled
def newest_of(tables: SourceViews, sources: Ints, most: int, credited: Ints, found: Ints) -> int:
    """Of the `most` newest pairs of each source, the rows of those whose stamp is known, into the array; how many.

    Args:
        sources: ascending.
        credited: keys of pairs that verdicts were just applied to, ascending. The only one of a source is left out,
            since a verdict never moves the stamp on its own claim.
    """
    pairs, keys, count, at, end = tables.pairs.records, tables.pairs.rows.keys, 0, 0, len(credited)
    for source in sources:
        while at < end and source_of(credited[at]) < source:
            at += 1
        alone = at < end and source_of(credited[at]) == source
        alone = alone and (at + 1 == end or source_of(credited[at + 1]) != source)
        link, left = tables.sources.records[source].newest, most
        while link and left:
            if pairs[link - 1].spoke_s and not (alone and keys[link - 1] == credited[at]):
                found[count] = link - 1
                count += 1
            link, left = pairs[link - 1].older, left - 1
    return count
