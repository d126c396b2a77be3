"""Lessons: what the parameters stage may learn from once a verdict is in, kept from before it was.

A claim's signals are written down as its event time passes one, six and twenty-four hours: from the state just before
the first event whose time lies beyond that age. At settlement the snapshots leave together with
the verdict; an age that no event passed is taken from the state at settlement, if the ruling came after that age. So a
lesson never holds what was learned from the verdict itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from streams.contract.codes import FALSE, TRUE
from streams.scoring.claims.claim_tables import SNAPSHOT_SIGNALS, Books, ClaimTables
from streams.scoring.claims.reading import root_of
from streams.scoring.config import HOUR_MS
from streams.scoring.numeric import Int, Ints, grouped, real
from streams.scoring.signals.registry import SIGNALS, hear
from streams.tables.blocks import Block, no_numbers
from streams.tables.compiled import compiled, inlined
from streams.tables.index import ensure, touch

AGES_H = (1, 6, 24)
ALL_AGES = 7  # bits


@inlined
def note_ages(books: Books, claim_row: Int, time_ms: Int, settings: Any, signals: npt.NDArray[np.float64]) -> None:
    """Take the snapshots that an event makes due; call before it is folded."""
    claim = books.claims.records[claim_row]
    if claim.events == 0 or claim.aged == ALL_AGES:
        return
    for bit in range(3):
        if not (claim.aged >> bit) & 1 and time_ms >= claim.first_ms + AGES_H[bit] * HOUR_MS:
            take(books, claim_row, bit, settings, signals)


@compiled
def take(books: Books, claim_row: Int, bit: Int, settings: Any, signals: npt.NDArray[np.float64]) -> None:
    """Write down what is known of a claim now."""
    row, _ = ensure(books.snapshots.rows, claim_row * 4 + bit)
    claim, snapshot = books.claims.records[claim_row], books.snapshots.records[row]
    hear(claim, root_of(books, claim), settings, signals)
    snapshot.claim, snapshot.participants = claim_row, claim.participants
    snapshot.corroboration, snapshot.weight = real(claim.corroboration), real(claim.weight)
    for k in range(len(signals)):
        books.signals[row, k] = signals[k]
    claim.aged |= 1 << bit
    touch(books.snapshots.rows, row)
    touch(books.claims.rows, claim_row)


@inlined
def note_settled(books: Books, claim_row: Int, settings: Any, signals: npt.NDArray[np.float64]) -> None:
    """Take the snapshots that no event made due, of a claim whose verdict is true or false.

    A ruling in the first hour teaches from what was known then; older ages the claim must have reached.
    """
    claim = books.claims.records[claim_row]
    if claim.events == 0 or not (claim.verdict == TRUE or claim.verdict == FALSE):
        return
    for bit in range(3):
        reached = bit == 0 or claim.ruled_ms >= claim.first_ms + AGES_H[bit] * HOUR_MS
        if reached and not (claim.aged >> bit) & 1:
            take(books, claim_row, bit, settings, signals)


def finding_of(verdicts: npt.NDArray[Any]) -> npt.NDArray[np.int8]:
    """What verdicts found: +1 false, −1 true, 0 neither."""
    finding: npt.NDArray[np.int8] = (verdicts == FALSE).astype(np.int8) - (verdicts == TRUE).astype(np.int8)
    return finding


class Lessons:
    """Snapshots of a partition's claims, keyed by (claim row, age)."""

    def __init__(self, tables: ClaimTables) -> None:
        self.tables = tables

    def settled(self, claim_rows: Ints) -> list[Block]:
        """Snapshots of claims whose verdict changed, as lessons; with neither true nor false, what they taught goes."""
        claims, table = self.tables.claims, self.tables.snapshots
        undone = ~np.isin(claims["verdict"][claim_rows], (TRUE, FALSE))
        rows = claim_rows[undone | (claims["events"][claim_rows] > 0)]
        which, bits = ((claims["aged"][rows][:, None] >> np.arange(len(AGES_H))) & 1).nonzero()
        if not which.size:
            return []
        of = rows[which]
        at = table.find(of * 4 + bits)
        return [Block("lessons", "", 0, {
            "c": claims.categorical(of),
            "h": np.asarray(AGES_H, np.int8)[bits],
            "f": finding_of(claims["verdict"][of]),
            "t": claims["ruled_ms"][of],
            "n": table["participants"][at].astype(np.int64),
            "L": table["corroboration"][at].astype(np.float64),
            "A": table["weight"][at].astype(np.float64),
            "al": claims["alarm"][of].astype(np.float64),
            "sig": np.stack([table[name][at] for name in SNAPSHOT_SIGNALS], axis=1).tolist(),
            "rw": no_numbers(len(of)),
            "w": np.zeros(len(of), np.int64),
        }, {"signals": list(SIGNALS)})]  # fmt: skip

    def tallies(self, credits: npt.NDArray[Any]) -> list[Block]:
        """How stances turned out by stance and history band, new credit minus old, as one lesson a claim.

        Accounts in copy-clusters are left out, as they are of every pool: what they do says nothing of
        others. What was tallied of one before it was found stays.

        Args:
            credits: what is sent to sources (`crediting.CREDIT`).
        """
        claims = self.tables.claims
        credits = credits[credits["netted"] == 0]
        unique, inverse = grouped(credits["claim"])
        counts = np.zeros((len(unique), 18), np.int64)
        for right, stance, sign in (("former_right", "former_stance", -1), ("right", "stance", 1)):
            said = credits[right].nonzero()[0]
            row = credits[said]
            slot = (row[stance].astype(np.int64) - 1) * 6 + row["band"].astype(np.int64) * 2 + (row[right] < 0)
            np.add.at(counts, (inverse[said], slot), sign)
        some = np.flatnonzero(counts.any(axis=1))
        if not some.size:
            return []
        rows = unique[some]
        verdict = claims["verdict"][rows]
        written = claims["supports"][rows] - claims["reshares"][rows] + claims["denials"][rows]
        return [Block("lessons", "", 0, {
            "c": claims.categorical(rows),
            "h": np.zeros(len(rows), np.int8),
            "f": finding_of(verdict),
            "t": claims["ruled_ms"][rows],
            "n": (claims["participants"][rows] - claims["netted"][rows]).astype(np.int64),
            "L": np.zeros(len(rows)),
            "A": np.zeros(len(rows)),
            "al": np.zeros(len(rows)),
            "sig": no_numbers(len(rows)),
            "rw": counts[some].tolist(),
            "w": (written - claims["net_supports"][rows] - claims["net_denials"][rows]).astype(np.int64),
        })]  # fmt: skip
