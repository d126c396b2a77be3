"""The tables of a sources partition: what is remembered of a source, and of a source in a claim.

A pair is a (source, claim): its key holds both rows. Times are in ms (`…_ms`) or s (`…_s`) since the epoch.
"""

from __future__ import annotations

from typing import NamedTuple

from streams.scoring.numeric import Int
from streams.tables.compiled import inlined
from streams.tables.field import FIXED, HASH, LINK, Field
from streams.tables.table import Table, View

SOURCE_FIELDS = {  # what every event reads or moves first
    "ruled_ms": Field("i8", "time of the latest verdict in force, to which sums are decayed; 0 none", "ms"),
    "cluster": Field("u8", "copy-cluster, 0 none"),
    "events": Field("i4", "events that stand"),
    "claims": Field("i4", "claims in which something of it stands"),
    "seen_s": Field("u4", "append time of the latest event", "s"),
    "newest": Field("i4", "the pair that it joined last", LINK),
    "told_events": Field("i4", "events at the last published record"),
    "right": Field("i4", "settled claims in which it was right, undecayed"),
    "wrong": Field("i4", "and wrong"),
    "joined_false": Field("i4", "false claims joined, undecayed"),
    "joined_true": Field("i4", "and true ones"),
    "joined_false_30": Field("f8", "false claims joined, with a half-life of 30 days"),
    "joined_true_30": Field("f8", "and true ones"),
    "right_supports": Field("f8", "supports written that were right, decayed"),
    "wrong_supports": Field("f8", "and wrong"),
    "right_denials": Field("f8", "denials written that were right, decayed"),
    "wrong_denials": Field("f8", "and wrong"),
    "right_reshares": Field("f8", "supports passed on that were right, decayed"),
    "wrong_reshares": Field("f8", "and wrong"),
    "gain": Field("i8", "insight for being right", FIXED),
    "loss": Field("i8", "and for being wrong", FIXED),
}
PAIR_FIELDS = {
    "event": Field("u8", "id of the first event", HASH),
    "content": Field("u4", "and its content, the lower half", HASH),
    "events": Field("i4", "events ever"),
    "gone": Field("i4", "those that the source took back"),
    "seen_s": Field("u4", "append time of the latest event or credit", "s"),
    "spoke_s": Field("u4", "moment of the stamp: time of the stream, 0 where it was forgotten", "s"),
    "generation": Field("i4", "and generation of the coins"),
    "older": Field("i4", "neighbour in the source's list of open claims", LINK),
    "newer": Field("i4", "and the other one", LINK),
    "expected": Field("f4", "of the credit applied: P(own stance is right) just before it was taken"),
    "outcome": Field("i1", "+1 right, −1 wrong, 0 none"),
    "finding": Field("i1", "+1 the claim was false, −1 true, 0 none"),
    "stance": Field("i1", "the stance credited"),
    "met": Field("i1", "1 if the source had been in another claim before"),
    "settlement": Field("i8", "version of the credit applied, 0 none"),
    "ruled_ms": Field("i8", "time of its first ruling", "ms"),
}
CLAIM_FIELDS = {"pairs": Field("i4", "pairs that hang on the name")}
EXTRA_FIELDS = {  # of a pair's event that is not its first
    "content": Field("u4", "its content, the lower half", HASH),
    "seen_s": Field("u4", "append time", "s"),
}


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
