"""Risk: P(claim is false | every signal), calibrated, for triage by people.

    z = bias + Σ β_k · signal_k            risk = σ(a + b·z)

The signals are in `signals`, a family a file, each with its formula. A ruling in force adds its evidence. Nothing here
moves the public score. β are learned from settled claims around the signals' prior weights (see `parameters_state`);
a and b are learned apart, so that calibration cannot touch the ranking.

Source: measured prequentially, signals that kept their sign on every set tried (scoring notes of this project).
Range: (0, 1). Failure modes: those of its signals; a claim of nobody known has the base rate and should read so.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streams.scoring.cascade import Pace
from streams.scoring.claims.claim_tables import ClaimTables
from streams.scoring.claims.settlement import ruling_evidence
from streams.scoring.config import ScoringConfig
from streams.scoring.numeric import Floats, Ints
from streams.scoring.parameters.params import Params
from streams.scoring.signals.registry import matrix
from streams.scoring.signals.signal import View


@dataclass(slots=True)
class RiskParts:
    """Signals of some claims (claims × SIGNALS), the log-odds they sum to before calibration, and how claims spread."""

    signals: Floats
    z: Floats
    pace: Pace


def risk_parts(tables: ClaimTables, rows: Ints, config: ScoringConfig, params: Params) -> RiskParts:
    """Signals of claims and their weighted sum, without rulings."""
    view = View(tables.claims, tables.parts, rows, config)
    signals = matrix(view)
    return RiskParts(signals, params.risk_bias + signals @ weights(params), view.pace)


def weights(params: Params) -> Floats:
    """Weight of each signal, in the order of SIGNALS."""
    return np.array(params.risk_weights)


def risk_log_odds(tables: ClaimTables, rows: Ints, parts: RiskParts, params: Params, config: ScoringConfig) -> Floats:
    """Calibrated log-odds of falsehood, rulings in force included."""
    ruled = ruling_evidence(tables.claims["rulings"][rows], config)
    z: Floats = params.risk_cal_a + params.risk_cal_b * parts.z - ruled
    return z
