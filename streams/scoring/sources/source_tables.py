"""The tables of a sources partition: what is remembered of a source, and of a source in a claim.

A pair is a (source, claim): its key holds both rows. Times are in ms (`…_ms`) or s (`…_s`) since the epoch.
"""

from __future__ import annotations

from typing import NamedTuple

from streams.scoring.numeric import Int
from streams.tables.compiled import inlined
from streams.tables.table import Table, View

SOURCE_FIELDS = {
    # What every event reads or moves.
    "ruled_ms": "i8",  # time of the latest verdict in force, to which sums are decayed; 0: none
    "cluster": "u8",  # copy-cluster, 0: none
    "events": "i4",  # that stand
    "claims": "i4",  # in which something of it stands
    "seen_s": "u4",  # append time of the latest event
    "newest": "i4",  # the pair that it joined last: row + 1
    "told_events": "i4",  # those at the last published record
    "right": "i4",  # settled claims, undecayed
    "wrong": "i4",
    "joined_false": "i4",  # false and true claims joined, undecayed,
    "joined_true": "i4",
    "joined_false_30": "f8",  # and by half-life in days
    "joined_true_30": "f8",
    "joined_false_60": "f8",
    "joined_true_60": "f8",
    "right_supports": "f8",  # right and wrong by stance, decayed: what it wrote,
    "wrong_supports": "f8",
    "right_denials": "f8",
    "wrong_denials": "f8",
    "right_reshares": "f8",  # and what it passed on
    "wrong_reshares": "f8",
    "gain": "i8",  # insight, fixed point
    "loss": "i8",
}
PAIR_FIELDS = {
    "event": "u8",  # first event: hash of its id and of its content
    "content": "u8",
    "events": "i4",  # ever, and those of them that the source took back
    "gone": "i4",
    "seen_s": "u4",  # append time of the latest event or credit
    "spoke_s": "u4",  # moment of the stamp: time of the stream, 0 where it was forgotten,
    "generation": "i4",  # and generation of the coins
    "older": "i4",  # neighbours in the source's list of open claims, rows + 1
    "newer": "i4",
    "expected": "f4",  # of the credit applied: P(own stance is right) just before it was taken,
    "settlement": "i8",  # version, 0: none was applied,
    "ruled_ms": "i8",  # time of the first ruling,
    "outcome": "i1",  # +1 right, −1 wrong, 0 none,
    "finding": "i1",  # +1 the claim was false, −1 true, 0 none,
    "stance": "i1",  # and the stance credited
}
CLAIM_FIELDS = {"pairs": "i4"}  # that hang on the name
EXTRA_FIELDS = {"content": "u8", "seen_s": "u4"}  # of a pair's event that is not its first


class SourceViews(NamedTuple):
    """What compiled loops take of a sources partition."""

    sources: View
    claims: View
    pairs: View
    extras: View


class SourceTables:
    """Every table of a sources partition that events and credits write."""

    def __init__(self) -> None:
        self.sources = Table("sources", SOURCE_FIELDS)
        self.claims = Table("claim_names", CLAIM_FIELDS)
        self.pairs = Table("pairs", PAIR_FIELDS, integers=True)
        self.extras = Table("extras", EXTRA_FIELDS, integers=True)

    def all(self) -> tuple[Table, ...]:
        """The tables, in storage order."""
        return self.sources, self.claims, self.pairs, self.extras

    def views(self, more: int = 0) -> SourceViews:
        """The tables for a compiled loop that adds at most so many pairs and extras."""
        self.pairs.reserve(more)
        self.extras.reserve(more)
        return SourceViews(self.sources.view, self.claims.view, self.pairs.view, self.extras.view)


@inlined
def pair_key(source: Int, claim: Int) -> Int:
    """Key of a pair: its source's row, then its claim's."""
    return (source << 32) | claim


@inlined
def source_of(key: Int) -> Int:
    """Row of a pair's source."""
    return key >> 32


@inlined
def claim_of(key: Int) -> Int:
    """Row of a pair's claim."""
    return key & 0xFFFFFFFF
