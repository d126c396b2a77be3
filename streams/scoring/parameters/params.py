"""Learned parameters: published as versions in the log, held in a table, so that a replay finds them again.

A "params" block carries `{"version": n, "values": {name: number}}`; names that it leaves out keep their value. The
parameters stage learns them from settled claims only; an operator's pause and kill switch travel the same way, so that
they too are in the log.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from streams.scoring.signals.registry import PARAMETERS, PRIOR_WEIGHTS
from streams.tables.blocks import Block
from streams.tables.field import Field
from streams.tables.table import Table

GIVEN = tuple(f"given_{name}" for name in PARAMETERS)


@dataclass(frozen=True, slots=True)
class Params:
    """One version of everything that verdicts teach, plus the operator's switches. Evidence in nats.

    The defaults are informed priors: with them a stream without verdicts gives newcomers no weight at all.
    """

    version: float = 0.0
    # Claims.
    base_false: float = 0.5  # where histories start; not learned: a base rate that drifts would rank by the calendar
    # Credibility.
    mu: float = 0.6  # overall precision of a stance
    mu_0: float = 0.6  # the same by history band: none,
    mu_1: float = 0.6  # 1–4,
    mu_2: float = 0.6  # and 5 or more settled claims
    # The two coins by history band: P(a stance is support | the claim is true), and for false claims.
    support_true_0: float = 0.5
    support_true_1: float = 0.5
    support_true_2: float = 0.5
    support_false_0: float = 0.5
    support_false_1: float = 0.5
    support_false_2: float = 0.5
    # Calibration of the public score.
    score_cal_a: float = 0.0  # reaches a claim as far as there is evidence on it
    score_cal_b: float = 1.0
    # Risk: intercept, weights of its signals, and calibration of the sum.
    risk_bias: float = 0.0
    risk_weights: tuple[float, ...] = PRIOR_WEIGHTS  # by `signals.SIGNALS`; each travels as "risk_" + name
    risk_cal_a: float = 0.0
    risk_cal_b: float = 1.0
    # Whose weights these are, for explanations: so much of before any verdict, so much untaught, and the rest learned
    # (see `mixture` and `skill`); and what an operator's word adds to each, which travels as "given_risk_" + name.
    prior_share: float = 0.5
    untaught_share: float = 0.0
    given_weights: tuple[float, ...] = (0.0,) * len(GIVEN)
    risk_sd: float = 0.6  # standard deviation of the calibration's own error, nats
    # Flags: what an operator wants, and what verdicts say follows from it (see `alarm`).
    flag_precision: float = 0.805  # share of flags that are right; a little above the promise of four in five
    flag_z: float = math.log(76 / 24)  # alarm at which a flag is raised, nats: a risk of .76 before any verdict
    flag_crowd: float = math.log(20.0)  # usual log of a claim's participants at one hour
    trial_precision: float = 0.9  # the same for the rule in shadow
    trial_z: float = math.log(85 / 15)
    # The operator's switches and budgets, for each of `flag_rules.RULES`.
    flags_paused: float = 0.0  # raise nothing new; what was raised may still be retracted
    flags_killed: float = 0.0  # retract everything and raise nothing
    flags_an_hour: float = 200.0  # most that a partition raises in an hour of the stream,
    flags_standing: float = 10_000.0  # and most of them that stand at once
    trials_paused: float = 0.0
    trials_killed: float = 0.0
    trials_an_hour: float = 200.0
    trials_standing: float = 10_000.0


FIELDS = tuple(f.name for f in fields(Params) if f.name not in ("risk_weights", "given_weights"))
NAMES = FIELDS + PARAMETERS + GIVEN


def params_table() -> Table:
    """An empty table of published parameters: name → value."""
    return Table("params", {"v": Field("f8", "value of the parameter in force")})


def read_params(table: Table) -> Params:
    """The version in force: published values over defaults."""
    values = table["v"]
    found = {str(name): float(values[row]) for name, row in table.items() if name in NAMES}
    plain = {name: value for name, value in found.items() if name in FIELDS}
    weights = tuple(found.get(name, prior) for name, prior in zip(PARAMETERS, PRIOR_WEIGHTS, strict=True))
    return Params(**plain, risk_weights=weights, given_weights=tuple(found.get(name, 0.0) for name in GIVEN))


def apply_params(table: Table, block: Block) -> Params:
    """Take over a published version; an older version than the one in force changes nothing."""
    current = read_params(table)
    version = float(block.meta.get("version", 0))
    if version < current.version:
        return current
    values = {
        n: float(v) for n, v in block.meta.get("values", {}).items() if n in NAMES and n != "version" and v is not None
    }
    values["version"] = version
    rows, _ = table.ensure(list(values))
    table["v"][rows] = list(values.values())
    table.touch(rows)
    return read_params(table)
