"""What a claim's state says now: scores and their records, without changing anything.

    score   σ(a·v + b·L + rulings)            public corroboration, calibrated (see `calibration`)
    risk    σ(a + b·z − rulings)              P(claim is false | every signal), for triage by people
            z = bias + Σ β_k · signal_k

The signals are in `signals`, a family a file, each with its formula. A ruling in force adds its evidence. Nothing in
the risk moves the public score. β are learned from settled claims around the signals' prior weights (see
`parameters_state`); a and b are learned apart, so that calibration cannot touch the ranking.

Source: measured prequentially, signals that kept their sign on every set tried (scoring notes of this project).
Range: (0, 1). Failure modes: those of its signals; a claim of nobody known has the base rate and should read so.
"""

from __future__ import annotations

import math
from dataclasses import fields
from itertools import repeat
from typing import Any

import numpy as np
import numpy.typing as npt

from streams.contract.codes import DENY
from streams.contract.record_dicts import ClaimScoreDict
from streams.scoring import cascade
from streams.scoring.claims.claim_tables import Books, ClaimTables
from streams.scoring.claims.ratings import add_ratings
from streams.scoring.config import ScoringConfig
from streams.scoring.numeric import Float, Floats, Int, Ints, chance, real, rounded
from streams.scoring.parameters.calibration import reliability
from streams.scoring.parameters.flag_rules import RULES, SETTINGS
from streams.scoring.parameters.params import Params
from streams.scoring.signals.registry import SIGNALS, hear
from streams.tables.compiled import compiled, inlined
from streams.tables.table import records_of

VERDICTS = (None, "true", "false", "mixed")
HORIZON_S = 86_400.0
NINETY = 1.645  # standard deviations to each side of a 90 % interval
FIGURES = (
    "score", "low", "high", "risk", "risk_low", "risk_high", "evidence", "infectiousness", "infectiousness_low",
    "infectiousness_high", "expected_growth_24h",
)  # fmt: skip
COUNTS = {
    "events": "events", "participants": "participants", "supports": "supports", "denies": "denials",
    "queries": "queries", "comments": "comments", "first_event_ms": "first_ms", "last_event_ms": "last_ms",
}  # fmt: skip
READING = np.dtype([
    ("claim", "i8"),  # row
    ("score_z", "f8"),  # calibrated log-odds of being true, from public corroboration; rulings included
    ("spread", "f8"),  # its standard deviation
    ("weight", "f8"),  # effective independent weight behind it
    ("risk_z", "f8"),  # calibrated log-odds of being false, from every signal; rulings included
    ("risk_spread", "f8"),  # its standard deviation, which is the error of its calibration
    ("signals", "f8", (len(SIGNALS),)),
    ("infectiousness", "f8"),  # p̂,
    ("infectiousness_low", "f8"),  # and its interval
    ("infectiousness_high", "f8"),
    ("growth", "f8"),  # events expected within a day
    ("enough", "i8"),  # 1 if there is enough evidence to show people a number
])  # fmt: skip
Readings = npt.NDArray[Any]


def settings_of(config: ScoringConfig, params: Params) -> npt.NDArray[Any]:
    """Every setting and parameter as one record, by its name: what compiled loops know of them."""
    values = {f.name: getattr(part, f.name) for part in (config, params) for f in fields(part)}
    for what in SETTINGS:  # rule by rule, so that a loop can go over them
        values[f"rule_{what}"] = tuple(getattr(params, rule.parameter(what)) for rule in RULES)
    columns = {name: np.asarray(value) for name, value in values.items()}
    settings = records_of(1, np.dtype([(name, c.dtype, c.shape) for name, c in columns.items()]))
    for name, column in columns.items():
        settings[name] = column
    return settings


@inlined
def ruling_evidence(balance: Int, settings: Any) -> Float:
    """Nats that (#true − #false) raters add to a claim's log-odds of being true."""
    n = float(abs(int(balance)))
    if n == 0:
        return 0.0
    one = math.log(settings.rater_right / settings.rater_wrong)
    pooled = one * n / (1.0 + (n - 1.0) * settings.rho_cluster)
    return float(pooled if balance > 0 else -pooled)


@inlined
def score_log_odds(corroboration: Float, weight: Float, settings: Any) -> Float:
    """Calibrated log-odds of being true, rulings apart, from L and the independent weight behind it."""
    z: Float = settings.score_cal_a * reliability(weight) + settings.score_cal_b * corroboration
    return z


@inlined
def chance_of(claim: Any, stance: Int, settings: Any) -> Float:
    """q: P(a stance is right), from the state of the claim before it, rulings apart."""
    z = score_log_odds(real(claim.corroboration), real(claim.weight), settings)
    true = chance(z)
    return 1.0 - true if stance == DENY else true


@inlined
def root_of(books: Books, claim: Any) -> Any:
    """The participant who posted a claim's root; any, if none is known."""
    return books.participants.records[max(np.int64(claim.root) - 1, 0)]


@compiled
def read_claim(claim: Any, root: Any, settings: Any, rulings: bool, reading: Any) -> None:
    """Scores of a live claim; with `rulings` false, as if no ruling had been made on it."""
    ruled = ruling_evidence(claim.rulings, settings) if rulings else 0.0
    weight = real(claim.weight)
    reading.score_z = score_log_odds(real(claim.corroboration), weight, settings) + ruled
    reading.spread = math.sqrt(
        settings.prior_variance / (1.0 + weight + abs(ruled)) + settings.evidence_variance * weight / (1.0 + weight)
    )
    reading.weight = weight
    reading.enough = np.int64(weight >= settings.enough_evidence or claim.verdict > 0)
    z = hear(claim, root, settings, reading.signals)
    reading.risk_z = settings.risk_cal_a + settings.risk_cal_b * z - ruled
    reading.risk_spread = settings.risk_sd


@inlined
def read_spread(claim: Any, reading: Any) -> None:
    """How infectious a claim is now, and how far it will grow."""
    p, low, high = cascade.infectiousness(claim)
    reading.infectiousness, reading.infectiousness_low, reading.infectiousness_high = p, low, high
    reading.growth = cascade.expected_growth(claim, p, HORIZON_S)


@compiled
def _read_all(books: Books, rows: Ints, settings: Any, rulings: bool, readings: Readings) -> None:
    for i in range(len(rows)):
        claim = books.claims.records[rows[i]]
        readings[i].claim = rows[i]
        read_claim(claim, root_of(books, claim), settings[0], rulings, readings[i])
        read_spread(claim, readings[i])


def read(tables: ClaimTables, rows: Ints, settings: npt.NDArray[Any], rulings: bool = True) -> Readings:
    """Scores of live claims; with `rulings` false, as if no ruling had been made on these claims."""
    readings = records_of(len(rows), READING)
    _read_all(tables.books(), rows, settings, rulings, readings)
    return readings


@inlined
def risk_of(z: Float) -> Float:
    """The risk as records hold it: never certain, and with so many digits that its log-odds can be taken."""
    return float(min(max(np.rint(chance(z) * 1e9) / 1e9, 1e-9), 1.0 - 1e-9))


@inlined
def score_of(z: Float) -> Float:
    """A public score as records hold it."""
    return rounded(chance(z))


@compiled
def _tell(readings: Readings, figures: Floats) -> None:
    """FIGURES of each reading, into [figures, readings]."""
    for i in range(len(readings)):
        reading = readings[i]
        figures[0, i] = score_of(reading.score_z)
        figures[1, i] = score_of(reading.score_z - NINETY * reading.spread)
        figures[2, i] = score_of(reading.score_z + NINETY * reading.spread)
        figures[3, i] = risk_of(reading.risk_z)
        figures[4, i] = risk_of(reading.risk_z - NINETY * reading.risk_spread)
        figures[5, i] = risk_of(reading.risk_z + NINETY * reading.risk_spread)
        figures[6, i] = rounded(reading.weight)
        figures[7, i] = rounded(reading.infectiousness)
        figures[8, i] = rounded(reading.infectiousness_low)
        figures[9, i] = rounded(reading.infectiousness_high)
        figures[10, i] = rounded(reading.growth)


def records(tables: ClaimTables, readings: Readings, common: dict[str, Any]) -> dict[str, ClaimScoreDict]:
    """Score records by claim id: the contract's fields, evidence and cascade."""
    claims, figures = tables.claims, np.empty((len(FIGURES), len(readings)))
    _tell(readings, figures)
    plain = readings.view(np.ndarray)
    rows = plain["claim"]
    columns: list[Any] = [*figures.tolist(), *(claims[field][rows].tolist() for field in COUNTS.values())]
    columns.append((plain["enough"] > 0).tolist())
    columns.append([VERDICTS[v] for v in claims["verdict"][rows].tolist()])
    columns.append((claims["flag"][rows, 0] > 0).tolist())
    ids = claims.keys_of(rows)
    names = ("claim_id", *FIGURES, *COUNTS, "enough_evidence", "verdict", "flagged", *common)
    constant = [repeat(value, len(ids)) for value in common.values()]
    rows_of_fields = zip(ids, *columns, *constant, strict=True)
    found: dict[str, Any] = {row[0]: dict(zip(names, row, strict=True)) for row in rows_of_fields}
    for row in rows[claims["ruled"][rows] > 0].tolist():
        add_ratings(tables, row, found[claims.key(row)])
    return found
