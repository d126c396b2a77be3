"""Risk: P(claim is false | every signal), calibrated, for triage by people.

    z = bias + β_0·H_0 + β_30·H_30 + β_60·H_60 + β_root·h_root − β_L·L + β_deny·d + β_query·u
    risk = σ(a + b·z)

H: participants' histories pooled by half-life (see `history`), h_root: the root author's own, L: public corroboration
without rulings, d and u: shares of denials and of queries among the stances people wrote (shrunk by three). A ruling
in force adds its evidence. Nothing here moves the public score.

Range: (0, 1). Failure modes: those of its signals; a claim of nobody known has the base rate and should read so.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streams.columns import Table
from streams.scoring.claim_tables import ClaimTables
from streams.scoring.config import ScoringConfig
from streams.scoring.history import pooled
from streams.scoring.numeric import Floats, Ints, from_fixed
from streams.scoring.params import Params
from streams.scoring.rulings import ruling_evidence

SIGNALS = ("history", "history_30", "history_60", "root", "evidence", "denial", "query")


@dataclass(slots=True)
class RiskParts:
    """Signals of some claims (claims × SIGNALS) and the log-odds they sum to, before calibration."""

    signals: Floats
    z: Floats


def stance_shares(claims: Table, rows: Ints) -> tuple[Floats, Floats]:
    """Denials and queries among written stances (reshares apart), shrunk by three."""
    supports = claims["n1"][rows] - claims["spread"][rows]
    denials, queries = claims["n2"][rows], claims["n3"][rows]
    written = supports + denials + queries + 3.0
    return denials / written, queries / written


def risk_parts(tables: ClaimTables, rows: Ints, config: ScoringConfig, params: Params) -> RiskParts:
    """Signals of claims and their weighted sum, without rulings."""
    claims, parts = tables.claims, tables.parts
    known = claims["known"][rows].astype(np.float64)
    columns = [
        pooled(from_fixed(claims[name][rows]), known, config.history_design_effect) for name in ("hs0", "hs30", "hs60")
    ]
    root = claims["root"][rows].astype(np.int64)
    own = parts["h0"][np.maximum(root - 1, 0)].astype(np.float64) if parts.size else np.zeros(len(rows))
    columns.append(np.where(root > 0, own, 0.0))
    columns.append(-from_fixed(claims["L"][rows]))
    columns.extend(stance_shares(claims, rows))
    signals = np.stack(columns, axis=1)
    return RiskParts(signals, params.risk_bias + signals @ weights(params))


def weights(params: Params) -> Floats:
    """Weight of each signal, in the order of SIGNALS."""
    return np.array([getattr(params, f"risk_{name}") for name in SIGNALS])


def risk_log_odds(tables: ClaimTables, rows: Ints, parts: RiskParts, params: Params, config: ScoringConfig) -> Floats:
    """Calibrated log-odds of falsehood, rulings in force included."""
    ruled = ruling_evidence(tables.claims["rulings"][rows], config)
    z: Floats = params.risk_cal_a + params.risk_cal_b * parts.z - ruled
    return z
