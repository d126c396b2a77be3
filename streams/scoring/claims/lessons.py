"""Lessons: what the parameters stage may learn from once a verdict is in, kept from before it was.

A claim's signals are written down as its event time passes one, six and twenty-four hours: from the state just before
the first log record whose event time of the claim lies beyond that age. At settlement the snapshots leave together with
the verdict; an age that no event passed is taken from the state at settlement, if the ruling came after that age. So a
lesson never holds what was learned from the verdict itself.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from streams.contract.codes import FALSE, TRUE
from streams.scoring.claims.claim_tables import SNAPSHOT_SIGNALS, ClaimTables
from streams.scoring.claims.risk import risk_parts
from streams.scoring.config import HOUR_MS, ScoringConfig
from streams.scoring.numeric import Ints, from_fixed, grouped
from streams.scoring.parameters.params import Params
from streams.scoring.signals.registry import SIGNALS
from streams.tables.blocks import Block, no_numbers

Small = npt.NDArray[np.int8]

AGES_H = (1, 6, 24)


class Lessons:
    """Snapshots of a partition's claims, keyed by (claim row, age)."""

    def __init__(self, tables: ClaimTables, config: ScoringConfig) -> None:
        self.tables = tables
        self.config = config

    def note(self, claim_rows: Ints, block_t_ms: Ints, per_row_claim: Ints, params: Params) -> None:
        """Take the snapshots that the block's events make due; call before the block is folded.

        Args:
            claim_rows: the block's claims, each once, ascending.
            block_t_ms, per_row_claim: time and claim of each row.
        """
        claims = self.tables.claims
        known = claim_rows[(claims["events"][claim_rows] > 0) & (claims["aged"][claim_rows] < 7)]
        if not known.size:
            return
        latest = np.zeros(int(claim_rows[-1]) + 1, np.int64)
        np.maximum.at(latest, per_row_claim, block_t_ms)
        latest = latest[known]
        for bit, hours in enumerate(AGES_H):
            due = (latest >= claims["first"][known] + hours * HOUR_MS) & ((claims["aged"][known] >> bit) & 1 == 0)
            if due.any():
                self._take(known[due], bit, params)

    def _take(self, claim_rows: Ints, bit: int, params: Params) -> None:
        table, claims = self.tables.snapshots, self.tables.claims
        rows, _ = table.ensure(claim_rows * 4 + bit)
        signals = risk_parts(self.tables, claim_rows, self.config, params).signals
        table["c"][rows], table["n"][rows] = claim_rows, claims["parts"][claim_rows]
        table["L"][rows], table["A"][rows] = from_fixed(claims["L"][claim_rows]), from_fixed(claims["A"][claim_rows])
        for i, name in enumerate(SNAPSHOT_SIGNALS):
            table[name][rows] = signals[:, i]
        claims["aged"][claim_rows] |= 1 << bit
        table.touch(rows)
        claims.touch(claim_rows)

    def settled(self, claim_rows: Ints, params: Params) -> Block | None:
        """Snapshots of claims whose verdict is true or false, as lessons."""
        claims, table = self.tables.claims, self.tables.snapshots
        rows = claim_rows[np.isin(claims["verdict"][claim_rows], (TRUE, FALSE)) & (claims["events"][claim_rows] > 0)]
        for bit, hours in enumerate(AGES_H):
            # A ruling in the first hour teaches from what was known then; older ages it must have reached.
            reached = (bit == 0) | (claims["ruled"][rows] >= claims["first"][rows] + hours * HOUR_MS)
            due = reached & ((claims["aged"][rows] >> bit) & 1 == 0)
            if due.any():
                self._take(rows[due], bit, params)
        which, bits = ((claims["aged"][rows][:, None] >> np.arange(len(AGES_H))) & 1).nonzero()
        if not which.size:
            return None
        of = rows[which]
        at = table.find(of * 4 + bits)
        return Block("lessons", "", 0, {
            "c": claims.categorical(of),
            "h": np.asarray(AGES_H, np.int8)[bits],
            "f": np.where(claims["verdict"][of] == FALSE, 1, -1).astype(np.int8),
            "t": claims["ruled"][of],
            "n": table["n"][at].astype(np.int64),
            "L": table["L"][at].astype(np.float64),
            "A": table["A"][at].astype(np.float64),
            "al": claims["alarm"][of].astype(np.float64),
            "sig": np.stack([table[name][at] for name in SNAPSHOT_SIGNALS], axis=1).tolist(),
            "rw": no_numbers(len(of)),
            "w": np.zeros(len(of), np.int64),
        }, {"signals": list(SIGNALS)})  # fmt: skip

    def tallies(self, part_rows: Ints, old: tuple[Small, Small], new: tuple[Small, Small]) -> Block | None:
        """How stances turned out by stance and history band, new credit minus old, as one lesson a claim.

        Accounts in copy-clusters are left out, as they are of every pool: what they do says nothing of newcomers or
        veterans. What was tallied of one before it was found stays.

        Args:
            part_rows: participants whose credit is sent; `old` and `new` are their (y, stance credited).
        """
        parts, claims = self.tables.parts, self.tables.claims
        alone = (parts["cl"][part_rows] == 0).nonzero()[0]
        part_rows, old, new = part_rows[alone], (old[0][alone], old[1][alone]), (new[0][alone], new[1][alone])
        owner, band = parts["c"][part_rows].astype(np.int64), parts["band"][part_rows].astype(np.int64)
        unique, inverse = grouped(owner)
        counts = np.zeros((len(unique), 18), np.int64)
        for (y, stance), sign in ((old, -1), (new, 1)):
            said = (y != 0).nonzero()[0]
            slot = (stance[said].astype(np.int64) - 1) * 6 + band[said] * 2 + (y[said] < 0)
            np.add.at(counts, (inverse[said], slot), sign)
        some = np.flatnonzero(counts.any(axis=1))
        if not some.size:
            return None
        rows = unique[some]
        verdict = claims["verdict"][rows]
        written = claims["n1"][rows] - claims["spread"][rows] + claims["n2"][rows]
        return Block("lessons", "", 0, {
            "c": claims.categorical(rows),
            "h": np.zeros(len(rows), np.int8),
            "f": np.where(verdict == FALSE, 1, np.where(verdict == TRUE, -1, 0)).astype(np.int8),
            "t": claims["ruled"][rows],
            "n": (claims["parts"][rows] - claims["netted"][rows]).astype(np.int64),
            "L": np.zeros(len(rows)),
            "A": np.zeros(len(rows)),
            "al": np.zeros(len(rows)),
            "sig": no_numbers(len(rows)),
            "rw": counts[some].tolist(),
            "w": (written - claims["pc"][rows] - claims["dc"][rows]).astype(np.int64),
        })  # fmt: skip
