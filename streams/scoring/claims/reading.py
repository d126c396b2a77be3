"""What a claim's state says now: vectorised reads and score records, without changing anything."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import repeat
from typing import Any

import numpy as np
import numpy.typing as npt

from streams.contract.record_dicts import ClaimScoreDict
from streams.scoring.cascade import Pace
from streams.scoring.claims.claim_tables import ClaimTables
from streams.scoring.claims.risk import risk_log_odds, risk_parts
from streams.scoring.claims.settlement import ruling_evidence
from streams.scoring.config import ScoringConfig
from streams.scoring.numeric import Floats, Ints, from_fixed, sigmoid
from streams.scoring.parameters.calibration import reliability
from streams.scoring.parameters.params import Params

VERDICTS = (None, "true", "false", "mixed")


@dataclass(slots=True)
class Reading:
    """Scores of some claims, each an array over them. Log-odds in nats; `risk_z` and `score_z` include rulings."""

    rows: Ints
    score_z: Floats  # calibrated log-odds of being true, from public corroboration
    spread: Floats  # its standard deviation
    weight: Floats  # effective independent weight behind it
    risk_z: Floats  # calibrated log-odds of being false, from every signal
    signals: Floats  # claims × SIGNALS
    pace: Pace

    def take(self, at: Ints) -> Reading:
        """The scores of some of the claims."""
        return Reading(
            self.rows[at],
            self.score_z[at],
            self.spread[at],
            self.weight[at],
            self.risk_z[at],
            self.signals[at],
            self.pace.take(at),
        )


def read(tables: ClaimTables, rows: Ints, config: ScoringConfig, params: Params, rulings: bool = True) -> Reading:
    """Scores of live claims; with `rulings` false, as if no ruling had been made on these claims."""
    claims = tables.claims
    ruled = ruling_evidence(claims["rulings"][rows], config) if rulings else np.zeros(len(rows))
    parts = risk_parts(tables, rows, config, params)
    weight = from_fixed(claims["A"][rows])
    score_z = score_log_odds(from_fixed(claims["L"][rows]), weight, params) + ruled
    spread = np.sqrt(
        config.prior_variance / (1.0 + weight + np.abs(ruled)) + config.evidence_variance * weight / (1.0 + weight)
    )
    if rulings:
        risk_z = risk_log_odds(tables, rows, parts, params, config)
    else:
        risk_z = params.risk_cal_a + params.risk_cal_b * parts.z
    return Reading(rows, score_z, spread, weight, risk_z, parts.signals, parts.pace)


def score_log_odds(corroboration: Floats, weight: Floats, params: Params) -> Floats:
    """Calibrated log-odds of being true, rulings apart, from L and the independent weight behind it."""
    z: Floats = params.score_cal_a * reliability(weight) + params.score_cal_b * corroboration
    return z


def risk_of(z: Floats) -> Floats:
    """The risk as records hold it: never certain, and with so many digits that its log-odds can be taken."""
    risk: Floats = np.clip(np.round(sigmoid(z), 9), 1e-9, 1 - 1e-9)
    return risk


def score_of(z: Floats) -> Floats:
    """A public score as records hold it."""
    score: Floats = np.round(sigmoid(z), 6)
    return score


def evidence_level(reading: Reading, claims_ruled: npt.NDArray[Any], config: ScoringConfig) -> npt.NDArray[np.bool_]:
    """Whether there is enough evidence to show people a number."""
    enough: npt.NDArray[np.bool_] = (reading.weight >= config.enough_evidence) | (claims_ruled > 0)
    return enough


def records(
    tables: ClaimTables, reading: Reading, config: ScoringConfig, common: dict[str, Any]
) -> dict[str, ClaimScoreDict]:
    """Score records by claim id: the contract's fields, evidence and cascade."""
    claims, rows, pace = tables.claims, reading.rows, reading.pace
    numbers = (
        score_of(reading.score_z),
        score_of(reading.score_z - 1.645 * reading.spread),
        score_of(reading.score_z + 1.645 * reading.spread),
        risk_of(reading.risk_z),
        *(np.round(n, 6) for n in (reading.weight, pace.p, pace.low, pace.high, pace.growth(86_400.0))),
    )
    names: tuple[str, ...] = (
        "score", "low", "high", "risk", "evidence",
        "infectiousness", "infectiousness_low", "infectiousness_high", "expected_growth_24h",
    )  # fmt: skip
    columns: list[list[Any]] = [n.tolist() for n in numbers]
    counts = (
        ("events", "events"), ("participants", "parts"), ("supports", "n1"), ("denies", "n2"), ("queries", "n3"),
        ("comments", "n4"), ("first_event_ms", "first"), ("last_event_ms", "last"),
    )  # fmt: skip
    columns += [claims[field][rows].tolist() for _, field in counts]
    names += tuple(name for name, _ in counts)
    names += ("enough_evidence", "verdict", "flagged")
    columns.append(evidence_level(reading, claims["verdict"][rows], config).tolist())
    columns.append([VERDICTS[v] for v in claims["verdict"][rows].tolist()])
    columns.append((claims["flag"][rows] > 0).tolist())
    ids = claims.keys_of(rows)
    names = ("claim_id", *names, *common)
    constant = [repeat(value, len(ids)) for value in common.values()]
    rows_of_fields = zip(ids, *columns, *constant, strict=True)
    found: dict[str, Any] = {row[0]: dict(zip(names, row, strict=True)) for row in rows_of_fields}
    return found
