"""Risk: P(claim is false | every signal), calibrated, for triage by people.

    z = bias + Σ β_k · signal_k            risk = σ(a + b·z)

    history, _30, _60   Σ h / (1 + d·(n − 1)), d = .1: histories of the known participants by half-life (see `history`),
                        divided by the design effect of all n participants, known or not: a claim's size says nothing.
                        Known, here and below, is who is in no copy-cluster: a net brings no record of its own
    history_known       Σ h / (1 + d·(k − 1)), over the k known ones alone; _veterans over those in eight settled claims
                        or more, who are fewer and say more; _repliers over those who answered in words, the root apart
    crowd_known         k / (1 + d·(k − 1)), without histories: where their mean is not 0, k shifts the pools
                        above, and this is what verdicts can take the shift out with. Either sign, starts at 0
    root                the root author's own history
    slow, slow_3h       −ln Σ exp(−t/τ) over its events, τ = 10 min and 3 h: slow starts are false a little more often
    evidence            −L, public corroboration without rulings
    signed              −Σ ± λ / (1 + .05·(k − 1)): stances with weights of either sign, unlike L
    vote                (denials − supports) / (both + 2), reshares and the root's own post apart
    denial              ln((denials + 1) / (supports + 1)), the same
    vote_unknown        the same vote of those without any settled claim: fresh accounts that push one way
    net_rush, net_late  the same vote of accounts in copy-clusters, within an hour of the claim's first event and later:
                        what a net does to a first impression is learned apart from the company it keeps. All three may
                        take either sign, and start at 0
    query               share of queries among written stances; in shadow: its sign changes with the platform
    infectious          ln(1 + p̂), p̂ as in `cascade`: how fast it spreads at its latest event; in shadow: what spreads
                        fast is looked at first (the priority of flags), which does not make it false

A ruling in force adds its evidence. Nothing here moves the public score. β are learned from settled claims around the
prior weights in `signals` (see `learning`); a and b are learned apart, so that calibration cannot touch the ranking.

Source: measured prequentially, signals that kept their sign on every set tried (scoring notes of this project).
Range: (0, 1). Failure modes: those of its signals; a claim of nobody known has the base rate and should read so.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streams.contract.codes import DENY, RESHARE, SUPPORT
from streams.scoring.claims import cascade
from streams.scoring.claims.claim_tables import ClaimTables, brings_record
from streams.scoring.claims.settlement import ruling_evidence
from streams.scoring.config import ScoringConfig
from streams.scoring.numeric import Floats, Ints, from_fixed
from streams.scoring.parameters.params import Params
from streams.scoring.signals.registry import SIGNALS
from streams.scoring.sources.history import pooled

SIGNED_DESIGN_EFFECT = 0.05


@dataclass(slots=True)
class RiskParts:
    """Signals of some claims (claims × SIGNALS) and the log-odds they sum to, before calibration."""

    signals: Floats
    z: Floats


def risk_parts(tables: ClaimTables, rows: Ints, config: ScoringConfig, params: Params) -> RiskParts:
    """Signals of claims and their weighted sum, without rulings."""
    signals = signal_matrix(tables, rows, config)
    return RiskParts(signals, params.risk_bias + signals @ weights(params))


def signal_matrix(tables: ClaimTables, rows: Ints, config: ScoringConfig) -> Floats:
    """Signals of claims, in the order of SIGNALS."""
    claims = tables.claims
    columns = history_signals(tables, rows, config)
    columns["slow"] = -np.log(np.maximum(claims["start"][rows], 1.0))
    columns["slow_3h"] = -np.log(np.maximum(claims["early"][rows], 1.0))
    columns["evidence"] = -from_fixed(claims["L"][rows])
    columns["signed"] = -pooled(from_fixed(claims["signed"][rows]), claims["known"][rows], SIGNED_DESIGN_EFFECT)
    columns |= stance_signals(tables, rows)
    since_s = (claims["last"][rows] - claims["first"][rows]) / 1000.0
    columns["infectious"] = np.log1p(cascade.infectiousness(cascade.kernel_matrix(claims, rows), since_s)[0])
    return np.stack([columns[name] for name in SIGNALS], axis=1)


def history_signals(tables: ClaimTables, rows: Ints, config: ScoringConfig) -> dict[str, Floats]:
    """Histories of participants, of some of them, and of the root's author."""
    claims, parts, d = tables.claims, tables.parts, config.history_design_effect
    known = claims["known"][rows].astype(np.float64)
    people = claims["parts"][rows] - claims["netted"][rows]
    columns = {
        name: pooled(from_fixed(claims[total][rows]), count, d)
        for name, total, count in (
            ("history", "hs0", people),
            ("history_30", "hs30", people),
            ("history_60", "hs60", people),
            ("history_known", "hs0", known),
            ("history_veterans", "hv", claims["veterans"][rows]),
        )
    }
    columns["crowd_known"] = pooled(known, known, d)
    columns["root"], answers = np.zeros(len(rows)), from_fixed(claims["hw"][rows])
    repliers = claims["writers"][rows].astype(np.float64)
    rooted = claims["root"][rows].nonzero()[0]
    if rooted.size:
        root = claims["root"][rows[rooted]].astype(np.int64) - 1
        own = parts["h0"][root].astype(np.float64)
        columns["root"][rooted] = own
        wrote = brings_record(parts, root) & (parts["kind"][root] != RESHARE)
        repliers[rooted] -= wrote
        answers[rooted] -= np.where(wrote, np.where(parts["x"][root] == DENY, -own, own), 0.0)
    columns["history_repliers"] = pooled(answers, repliers, d)
    return columns


def stance_signals(tables: ClaimTables, rows: Ints) -> dict[str, Floats]:
    """How people who wrote take sides for or against what the root says."""
    claims, parts = tables.claims, tables.parts
    begins, fresh = np.zeros((2, len(rows)), np.int64)
    rooted = claims["root"][rows].nonzero()[0]
    if rooted.size:
        root = claims["root"][rows[rooted]].astype(np.int64) - 1
        # Whoever shared the own post since stands among the reshares, not among those who wrote.
        alone = parts["cl"][root] == 0
        begins[rooted] = alone & (parts["x"][root] == SUPPORT) & (parts["kind"][root] != RESHARE)
        fresh[rooted] = begins[rooted] * (parts["band"][root] == 0)
    supports = claims["n1"][rows] - claims["spread"][rows] - claims["pc"][rows] - begins
    denials, queries = claims["n2"][rows].astype(np.int64) - claims["dc"][rows], claims["n3"][rows]
    return {
        "vote": _vote(denials, supports),
        "denial": np.log((denials + 1.0) / (supports + 1.0)),
        "vote_unknown": _vote(claims["d0"][rows], claims["p0"][rows] - fresh),
        "net_rush": _vote(claims["dr"][rows], claims["pr"][rows]),
        "net_late": _vote(claims["dc"][rows] - claims["dr"][rows], claims["pc"][rows] - claims["pr"][rows]),
        "query": queries / (supports + denials + queries + 3.0),
    }


def _vote(against: Ints, for_it: Ints) -> Floats:
    vote: Floats = (against - for_it) / (against + for_it + 2.0)
    return vote


def weights(params: Params) -> Floats:
    """Weight of each signal, in the order of SIGNALS."""
    return np.array(params.risk_weights)


def risk_log_odds(tables: ClaimTables, rows: Ints, parts: RiskParts, params: Params, config: ScoringConfig) -> Floats:
    """Calibrated log-odds of falsehood, rulings in force included."""
    ruled = ruling_evidence(tables.claims["rulings"][rows], config)
    z: Floats = params.risk_cal_a + params.risk_cal_b * parts.z - ruled
    return z
