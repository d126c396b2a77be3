"""Risk: P(claim is false | every signal), calibrated, for triage by people.

    z = bias + Σ β_k · signal_k            risk = σ(a + b·z)

    history, _30, _60   Σ h / (1 + d·(n − 1)), d = .1: histories of the known participants by half-life (see `history`),
                        divided by the design effect of all n participants, known or not: a claim's size says nothing
    history_known       5·tanh(Σ h / (1 + .03·(k − 1)) / 5) over the k known ones alone
    root                the root author's own history
    slow, slow_3h       −ln Σ exp(−t/τ) over its events, τ = 10 min and 3 h: slow starts are false a little more often
    evidence            −L, public corroboration without rulings
    signed              −Σ ± λ / (1 + .05·(k − 1)): stances with weights of either sign, unlike L
    vote                (denials − supports) / (both + 2), reshares apart
    denial              ln((denials + 1) / (supports + 1)), reshares apart
    vote_unknown        the same vote of those without any settled claim: fresh accounts that push one way
    net_rush, net_late  the same vote of accounts in copy-clusters, within an hour of the claim's first event and later:
                        what a net does to a first impression is learned apart from the company it keeps. All three may
                        take either sign, and start at 0
    query               share of queries among written stances; in shadow: its sign changes with the platform

A ruling in force adds its evidence. Nothing here moves the public score. β are learned from settled claims around the
prior weights in `params` (see `learning`); a and b are learned apart, so that calibration cannot touch the ranking.

Source: measured prequentially, signals that kept their sign on every set tried (scoring notes of this project).
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

SIGNALS = (
    "history",
    "history_30",
    "history_60",
    "history_known",
    "root",
    "slow",
    "slow_3h",
    "evidence",
    "signed",
    "vote",
    "denial",
    "vote_unknown",
    "net_rush",
    "net_late",
    "query",
)
SHADOW = frozenset({"query"})  # computed and shown, without any effect
# All others can only mean "false" where they are high.
EITHER_SIGN = frozenset({"vote_unknown", "net_rush", "net_late"})
KNOWN_DESIGN_EFFECT, KNOWN_CAP = 0.03, 5.0
SIGNED_DESIGN_EFFECT = 0.05


@dataclass(slots=True)
class RiskParts:
    """Signals of some claims (claims × SIGNALS) and the log-odds they sum to, before calibration."""

    signals: Floats
    z: Floats


def stance_signals(claims: Table, rows: Ints) -> tuple[Floats, ...]:
    """vote, denial, vote_unknown, net_rush, net_late and query of claims: stances people wrote, reshares apart."""
    supports = (claims["n1"][rows] - claims["spread"][rows]).astype(np.float64)
    denials, queries = claims["n2"][rows].astype(np.float64), claims["n3"][rows].astype(np.float64)
    share = queries / (supports + denials + queries + 3.0)
    votes = [
        (against - for_it) / (against + for_it + 2.0)
        for against, for_it in (
            (denials, supports),
            (claims["d0"][rows], claims["p0"][rows]),
            (claims["dr"][rows], claims["pr"][rows]),
            (claims["dc"][rows] - claims["dr"][rows], claims["pc"][rows] - claims["pr"][rows]),
        )
    ]
    return votes[0], np.log((denials + 1.0) / (supports + 1.0)), *votes[1:], share


def risk_parts(tables: ClaimTables, rows: Ints, config: ScoringConfig, params: Params) -> RiskParts:
    """Signals of claims and their weighted sum, without rulings."""
    claims, parts = tables.claims, tables.parts
    known, everyone = claims["known"][rows].astype(np.float64), claims["parts"][rows].astype(np.float64)
    totals = [from_fixed(claims[name][rows]) for name in ("hs0", "hs30", "hs60")]
    columns = [pooled(total, everyone, config.history_design_effect) for total in totals]
    columns.append(KNOWN_CAP * np.tanh(pooled(totals[0], known, KNOWN_DESIGN_EFFECT) / KNOWN_CAP))
    root = claims["root"][rows].astype(np.int64)
    own = parts["h0"][np.maximum(root - 1, 0)].astype(np.float64) if parts.size else np.zeros(len(rows))
    columns.append(np.where(root > 0, own, 0.0))
    columns.extend(-np.log(np.maximum(claims[name][rows], 1.0)) for name in ("start", "early"))
    columns.append(-from_fixed(claims["L"][rows]))
    columns.append(-pooled(from_fixed(claims["signed"][rows]), known, SIGNED_DESIGN_EFFECT))
    columns.extend(stance_signals(claims, rows))
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
