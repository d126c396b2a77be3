"""Writes the records of flags that moved, and keeps what the next record of each depends on.

    confidence = Φ((alarm − threshold)/risk_sd), by the calibration's own error

What a record says beside its figures is in `flag_facts`. A flag of a rule in shadow, and one that a budget holds back,
is written like any other, and goes where no queue reads.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import numpy as np
import numpy.typing as npt

from streams.contract.record_dicts import FlagDict, ReasonDict
from streams.contract.words import FlagAction, Retraction, Severity
from streams.scoring.claims import flag_facts
from streams.scoring.claims.claim_tables import ClaimTables
from streams.scoring.claims.explain import risk_reasons
from streams.scoring.claims.flags import HELD, HOLD, RAISE, RETRACT, STOOD, UPDATE, gone
from streams.scoring.claims.ratings import add_ratings
from streams.scoring.claims.reading import risk_of, score_of
from streams.scoring.config import ScoringConfig
from streams.scoring.numeric import Ints, logit, sigmoid
from streams.scoring.parameters.alarm import alarm
from streams.scoring.parameters.flag_rules import RULE_COUNT, RULES
from streams.scoring.parameters.params import Params
from streams.tables.table import Table

POLICY_ID = "misinformation"
LABEL = "possible-falsehood"
SEVERITIES = ((Severity.CRITICAL, 75), (Severity.HIGH, 60), (Severity.MEDIUM, 30), (Severity.LOW, 0))
ACTIONS = {
    RAISE: FlagAction.RAISE, HOLD: FlagAction.HOLD, UPDATE: FlagAction.UPDATE, RETRACT: FlagAction.RETRACT,
}  # fmt: skip


@dataclass(slots=True)
class FlagContext:
    """What a flag record needs beside the claim; `version` is that of score records made now.

    `reasons` has what was written for other rules now: by claim, and whether there is something to read.
    """

    config: ScoringConfig
    params: Params
    settings: npt.NDArray[Any]
    core_version: str
    now_ms: int
    version: int
    reasons: dict[tuple[int, bool], list[ReasonDict]] = field(default_factory=dict)


def confidence(level: float, threshold: float, params: Params) -> float:
    """P(alarm > threshold), the alarm being normal with the calibration's standard deviation.

    >>> confidence(1.0, 1.0, Params())
    0.5
    """
    return 0.5 * math.erfc((threshold - level) / max(params.risk_sd, 1e-6) / math.sqrt(2.0))


def severity(rank: int) -> Severity:
    """How much is at stake at this priority."""
    return next(step for step, least in SEVERITIES if rank >= least)


class Flags:
    """Writes the flag records of a partition's claims.

    Args:
        clock: the partition's, which counts the flags of each rule.
    """

    def __init__(self, tables: ClaimTables, communities: Table, clock: Table) -> None:
        self.tables = tables
        self.communities = communities
        self.clock = clock
        self._shown: list[set[int] | None] = [None] * RULE_COUNT  # claims with a flag that may be shown; None: any

    def moved(self, rule: int, action: int, reading: Any, rank: int, context: FlagContext) -> tuple[FlagDict, bool]:
        """The record of a claim's flag by a rule that was decided to move, and whether it is for no queue."""
        if action != RETRACT:
            return self._record(rule, action, reading, rank, context)
        claim = self.tables.claims.records[int(reading["claim"])]
        why = Retraction.POSTS_GONE if gone(claim) else Retraction.RISK_FELL
        why = Retraction.SETTLED if claim["verdict"] > 0 else why
        why = Retraction.KILLED if getattr(context.params, RULES[rule].parameter("killed")) > 0 else why
        return self._record(rule, action, reading, 0, context, why)

    def expire(self, rule: int, reading: Any, context: FlagContext) -> tuple[FlagDict, bool]:
        """The retraction of a flag whose time is over."""
        return self._record(rule, RETRACT, reading, 0, context, Retraction.EXPIRED)

    def shown(self, rule: int) -> Ints:
        """Claims whose flag by a rule is raised or held back, ascending; of a state just found again, of all."""
        known, flags = self._shown[rule], self.tables.claims["flag"]
        rows: Ints = self.tables.claims.rows() if known is None else np.array(sorted(known), np.int64)
        rows = rows[(flags[rows, rule] > 0) | (flags[rows, rule] == HELD)]
        self._shown[rule] = set(rows.tolist())
        return rows

    def held(self, rule: int) -> Ints:
        """Claims whose flag a budget holds back."""
        rows = self.shown(rule)
        held: Ints = rows[self.tables.claims["flag"][rows, rule] == HELD]
        return held

    def expired(self, rule: int, context: FlagContext) -> Ints:
        """Claims whose flag has had no record within the expiry, on the log's clock."""
        rows, claims = self.shown(rule), self.tables.claims
        late: Ints = rows[claims["flag_at_ms"][rows, rule] + context.config.flag_expiry_ms <= context.now_ms]
        return late

    def forget(self, rows: Ints) -> None:
        """These claims go: what stood of their flags, or was held back, counts no more."""
        flags = self.tables.claims["flag"][rows]
        self.clock["standing"][0] -= (flags > 0).sum(axis=0)
        self.clock["held"][0] -= (flags == HELD).sum(axis=0)

    def _record(
        self, number: int, action: int, reading: Any, rank: int, context: FlagContext, why: Retraction | None = None
    ) -> tuple[FlagDict, bool]:
        """The record of a claim's flag that moves now; which log record moved it is for the stage to add."""
        row, rule = int(reading["claim"]), RULES[number]
        was_held = self._note(number, row, action, rank, context, why)
        threshold = float(getattr(context.params, rule.parameter("z")))
        claims, claim_id = self.tables.claims, self.tables.claims.key(row)
        risk_z = float(reading["risk_z"])
        level = alarm(risk_z, int(claims["participants"][row]), context.params.flag_crowd)
        risk = risk_of(risk_z)
        record: FlagDict = {
            "schema_version": 2,
            "flag_id": f"{rule.name}/{claim_id}/{int(claims['flag_number'][row, number])}",
            "revision": int(claims["flag_revision"][row, number]),
            "action": str(ACTIONS[action]),
            "subject": {"type": "claim", "id": claim_id, "uri": f"/v1/claims/{quote(claim_id, safe='')}"},
            "claim": flag_facts.root_of(self.tables, row),
            "spread": flag_facts.spread_of(self.tables, row, context.params),
            "label": LABEL,
            "policy_id": POLICY_ID,
            "rule_id": f"{rule.name}/{rule.version}",
            "severity": str(severity(rank)),
            "priority": rank,
            "risk": risk,
            "score": score_of(float(reading["score_z"])),
            "claim_version": context.version,
            "confidence": round(confidence(level, threshold, context.params), 6),
            "threshold": round(float(sigmoid(threshold - level + risk_z)), 6),
            "score_version": context.core_version,
            "reasons": self._reasons(reading, risk, action, context),
            "appeal": flag_facts.APPEAL,
            "source": "automated",
            "event_time_ms": int(claims["last_ms"][row]),
            "detected_at_ms": context.now_ms,
        }
        add_ratings(self.tables, row, record)
        if community := flag_facts.community_of(self.tables, row, self.communities):
            record["community"] = community
        flag_facts.add_figures(record, self.tables, reading)
        quiet = rule.shadow or action == HOLD or (was_held and action == RETRACT)
        if why is not None:
            return record | {"retracted_because": str(why)}, quiet
        lapses_ms = context.now_ms + context.config.flag_expiry_ms
        floor = threshold - context.config.flag_hysteresis - (level - risk_z)
        words = flag_facts.would_fall(record["reasons"], risk_z, floor, lapses_ms)
        return record | {"would_fall": words, "expires_at_ms": lapses_ms}, quiet

    def _note(self, rule: int, row: int, action: int, rank: int, context: FlagContext, why: Retraction | None) -> bool:
        """Keep what the next record of this flag depends on. Whether the flag was held back until now."""
        claims, clock = self.tables.claims, self.clock
        was = int(claims["flag"][row, rule])
        if action in (RAISE, HOLD) and was != HELD:
            claims["flag_number"][row, rule], claims["flag_revision"][row, rule] = context.version, 0
            if (known := self._shown[rule]) is not None:
                known.add(row)
        now = {RAISE: 1, UPDATE: 1, HOLD: HELD, RETRACT: STOOD if why == Retraction.SETTLED and was > 0 else 0}[action]
        claims["flag"][row, rule] = now
        claims["flag_revision"][row, rule] += 1
        claims["flag_priority"][row, rule] = rank
        claims["flag_at_ms"][row, rule] = context.now_ms
        claims.touch(np.array([row]))
        clock["raised"][0, rule] += action == RAISE
        clock["standing"][0, rule] += (now > 0) - (was > 0)
        clock["held"][0, rule] += (now == HELD) - (was == HELD)
        return was == HELD

    def _reasons(self, reading: Any, risk: float, action: int, context: FlagContext) -> list[ReasonDict]:
        """What adds up to the log-odds of the risk, to the last digit; what to read, unless nobody needs to look."""
        row, most = int(reading["claim"]), context.config.reasons
        if (known := context.reasons.get((row, action == RETRACT))) is not None:
            return known
        rows = None if action == RETRACT else self.tables.members(row)
        reasons = risk_reasons(self.tables, row, reading["signals"], context.settings, most, rows, most)
        for reason in reasons:
            reason["weight"] = round(reason["weight"], 6)
        # Risk and weights are rounded: what that takes or leaves is in the rest, or else in the weakest.
        rest = next((reason for reason in reasons if reason["code"] == "others"), reasons[-1])
        total = math.fsum(reason["weight"] for reason in reasons if reason is not rest)
        rest["weight"] = round(float(logit(risk)) - total, 6)
        context.reasons[row, action == RETRACT] = reasons
        return reasons
