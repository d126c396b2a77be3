"""Rulings: verdicts of fact-checkers, moderators and appeals, revisable and withdrawable, pooled per claim.

A ruling's version counts within (claim, rater); the highest version in force replaces all before it. Raters are pooled
as evidence: the sign of (#true − #false) is the verdict, a tie or "mixed" settles without credit. A rater is a source
with the prior Beta(97, 3), so one ruling moves the public score by logit .97 ≈ 3.5 nats; further raters, who read each
other, add with ρ = .9.

Source: 95–98 % agreement of fact-checkers, Vosoughi, Roy & Aral, Science 2018. Range: ±3.5 nats for one rater.
Failure modes: an allow-listed rater who errs or is captured counts fully until revised or withdrawn.
"""

from __future__ import annotations

import math

import numpy as np

from streams.blocks import Block
from streams.columns import Table
from streams.scoring.config import ScoringConfig
from streams.scoring.numeric import Floats, Ints

NONE, TRUE, FALSE, MIXED = 0, 1, 2, 3


def ruling_evidence(balance: Ints, config: ScoringConfig) -> Floats:
    """Nats that (#true − #false) raters add to a claim's log-odds of being true.

    >>> ruling_evidence(np.array([1, -1, 0]), ScoringConfig()).round(2).tolist()
    [3.48, -3.48, 0.0]
    """
    one = math.log(config.rater_right / config.rater_wrong)
    n = np.abs(balance).astype(np.float64)
    pooled: Floats = np.sign(balance) * one * n / (1.0 + np.maximum(n - 1.0, 0.0) * config.rho_cluster)
    return pooled


class Rulings:
    """The rulings of a partition's claims."""

    def __init__(self, claims: Table, rulings: Table) -> None:
        self.claims = claims
        self.rulings = rulings

    def fold(self, block: Block, claim_rows: Ints, seq: int) -> list[int]:
        """Take in rulings; claims whose settlement changed, in order of the block; `seq` becomes their version.

        A lower version than the one held only pulls the rater's first ruling time forward.
        """
        changed: dict[int, None] = {}
        for i, claim in enumerate(claim_rows.tolist()):
            self._fold_one(block, i, claim)
            changed[claim] = None
        return [claim for claim in changed if self._settlement_changed(claim, seq)]

    def _fold_one(self, block: Block, i: int, claim: int) -> None:
        table = self.rulings
        rows, made = table.ensure([f"{block['c'][i]}\0{block['rater'][i]}"])
        row, version, t_ms = int(rows[0]), int(block["ver"][i]), int(block["t"][i])
        first = t_ms if made.size else min(t_ms, int(table["first"][row]))
        table["c"][row], table["first"][row] = claim, first
        if made.size or version > table["ver"][row]:
            table["ver"][row], table["verdict"][row], table["t"][row] = version, block["verdict"][i], t_ms
            for field in ("id", "kind", "url"):
                table.texts(field)[row] = block[field][i]
        table.touch(rows)

    def of_claim(self, claim: int) -> Ints:
        """Rows of the claim's rulings that are in force."""
        table = self.rulings
        live = (table["c"][: table.size] == claim) & (table["verdict"][: table.size] > NONE)
        return np.flatnonzero(live)

    def _settlement_changed(self, claim: int, seq: int) -> bool:
        """Recompute a claim's verdict from the rulings in force; whether credits have to be sent."""
        table, claims = self.rulings, self.claims
        rows = self.of_claim(claim)
        verdicts = table["verdict"][rows]
        balance = int((verdicts == TRUE).sum()) - int((verdicts == FALSE).sum())
        verdict = NONE if not rows.size else TRUE if balance > 0 else FALSE if balance < 0 else MIXED
        ruled = int(table["first"][rows].min()) if rows.size else 0
        same = int(claims["verdict"][claim]) == verdict and int(claims["ruled"][claim]) == ruled
        claims["verdict"][claim], claims["ruled"][claim], claims["rulings"][claim] = verdict, ruled, balance
        claims.touch(np.array([claim]))
        if not same:
            claims["sver"][claim], claims["owed"][claim] = seq, 1
        return not same
