"""Flags: claims that people should look at, raised, updated and retracted, never acted on by themselves.

    raise    when the claim's alarm reaches the threshold in force (see `alarm`: the risk, a little more for claims that
             many have joined, and the precision that an operator wants), and there is budget; and again when what
             settled a claim that stood flagged is withdrawn, unless the alarm fell meanwhile
    update   when the priority moved by 10 or more, or the claim was heard of a day or more after the flag's last record
    retract  when the alarm is .5 nats below the threshold (hysteresis), the claim was settled, its posts were taken
             back, the rule was killed, or the flag expired: seven days after its last record, by the log's clock, which
             no replay of old events turns
    priority = 100·(1 − 1/(1 + log₁₀(1 + risk·ΔN(24 h)))), 0 in a retraction
    confidence = Φ((alarm − threshold)/risk_sd), by the calibration's own error

The highest alarm of each claim before its verdict is kept: it is the lesson that the threshold is learned from.

Nothing here moves a score. Failure modes: a burst of new falsehoods can exhaust the day's budget; then the first come
are flagged and the rest wait for the next event-time day.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import numpy as np

from streams.contract.record_dicts import FlagDict, ReasonDict
from streams.contract.words import Retraction, Severity
from streams.scoring.claims.claim_tables import ClaimTables
from streams.scoring.claims.explain import risk_reasons
from streams.scoring.claims.reading import Reading, risk_of, score_of
from streams.scoring.config import DAY_MS, ScoringConfig
from streams.scoring.numeric import Floats, Ints, logit, sigmoid
from streams.scoring.parameters.alarm import alarm
from streams.scoring.parameters.params import Params

RULE, RULE_VERSION = "risk-cascade", 1
POLICY_ID = "misinformation"
LABEL = "possible-falsehood"
SEVERITIES = ((Severity.CRITICAL, 75), (Severity.HIGH, 60), (Severity.MEDIUM, 30), (Severity.LOW, 0))
STOOD = -1  # in place of 1 for a raised flag: it stood when the claim was settled


@dataclass(slots=True)
class FlagContext:
    """What a flag record needs beside the claim; `version` is that of score records made now."""

    config: ScoringConfig
    params: Params
    core_version: str
    now_ms: int
    version: int


def confidence(alarms: Floats, params: Params) -> Floats:
    """P(alarm > threshold), the alarm being normal with the calibration's standard deviation.

    >>> confidence(np.array([Params().flag_z]), Params()).round(3).tolist()
    [0.5]
    """
    z = (alarms - params.flag_z) / max(params.risk_sd, 1e-6)
    return np.array([0.5 * math.erfc(-v / math.sqrt(2.0)) for v in z.tolist()])


def priority(risk: Floats, growth: Floats) -> Floats:
    """0–100 by risk × expected growth."""
    reach = np.log10(1.0 + risk * growth)
    ranked: Floats = np.rint(100.0 * (1.0 - 1.0 / (1.0 + reach)))
    return ranked


def severity(rank: int) -> Severity:
    """How much is at stake at this priority."""
    return next(step for step, least in SEVERITIES if rank >= least)


class Flags:
    """Decides on flags of a partition's claims."""

    def __init__(self, tables: ClaimTables, budget: Any) -> None:
        self.tables = tables
        self.clock = budget  # holds flag_day and flags

    def decide(self, reading: Reading, context: FlagContext) -> list[FlagDict]:
        """Flag records for claims whose flag changes now; updates their flag columns."""
        claims, rows, config, params = self.tables.claims, reading.rows, context.config, context.params
        raised = claims["flag"][rows] > 0
        settled = claims["verdict"][rows] > 0
        gone = (claims["bare"][rows] > 0) | (claims["events"][rows] == 0)
        alarms = alarm(reading.risk_z, claims["parts"][rows], params.flag_crowd)
        open_ = ~settled & ~gone & (claims["parts"][rows] >= config.flag_min_participants)
        self._remember(rows[open_], alarms[open_])
        likely = open_ & (alarms >= params.flag_z)
        stood = open_ & (claims["flag"][rows] == STOOD)
        if not (likely | raised | stood).any():
            return []
        claims["flag"][rows[stood]] = 0
        unlikely = alarms < params.flag_z - config.flag_hysteresis
        may = (params.flags_paused <= 0) & (params.flags_killed <= 0)
        rise = ~raised & may & (likely | (stood & ~unlikely))
        fall = raised & (unlikely | settled | gone | (params.flags_killed > 0))
        stay = raised & ~fall
        interesting = np.flatnonzero(rise | fall | stay)
        if not interesting.size:
            return []
        growth = reading.pace.take(interesting).growth(86_400.0)
        rank = priority(sigmoid(reading.risk_z[interesting]), growth)
        out = []
        for j, i in enumerate(interesting.tolist()):
            row = int(rows[i])
            if fall[i]:
                fell = Retraction.POSTS_GONE if gone[i] else Retraction.RISK_FELL
                why = Retraction.SETTLED if settled[i] else fell
                why = Retraction.KILLED if params.flags_killed > 0 else why
                out.append(self._record("retract", reading, i, 0, context, why))
            elif rise[i] and (stood[i] or self._spend(int(claims["last"][row]), config)):
                out.append(self._record("raise", reading, i, int(rank[j]), context))
            elif stay[i] and self._worth_an_update(row, int(rank[j]), config):
                out.append(self._record("update", reading, i, int(rank[j]), context))
        return out

    def _remember(self, rows: Ints, alarms: Floats) -> None:
        """Keep the highest alarm of open claims."""
        claims = self.tables.claims
        higher = alarms > claims["alarm"][rows]
        if higher.any():
            claims["alarm"][rows[higher]] = alarms[higher]
            claims.touch(rows[higher])

    def _worth_an_update(self, row: int, rank: int, config: ScoringConfig) -> bool:
        """Whether a flag that stands moved in the queue, or is due for a later expiry."""
        claims = self.tables.claims
        heard_ms = int(claims["seen"][row]) * 1000
        return (
            abs(rank - int(claims["flag_priority"][row])) >= config.flag_update_priority
            or heard_ms - int(claims["flag_at"][row]) >= config.flag_renewal_ms
        )

    def expired(self, context: FlagContext) -> list[int]:
        """Claims whose flag has had no record within the expiry, on the log's clock."""
        claims = self.tables.claims
        size = claims.size
        lapse_ms = claims["flag_at"][:size] + context.config.flag_expiry_ms
        old = (claims["flag"][:size] > 0) & (lapse_ms <= context.now_ms)
        return [int(r) for r in np.flatnonzero(old)]

    def expire(self, reading: Reading, context: FlagContext) -> list[FlagDict]:
        """Retractions of the flags of these claims."""
        return [self._record("retract", reading, i, 0, context, Retraction.EXPIRED) for i in range(len(reading.rows))]

    def _spend(self, event_ms: int, config: ScoringConfig) -> bool:
        day = event_ms // DAY_MS
        if day > self.clock["flag_day"][0]:
            self.clock["flag_day"][0], self.clock["flags"][0] = day, 0
        if self.clock["flags"][0] >= config.flags_a_day:
            return False
        self.clock["flags"][0] += 1
        return True

    def _record(
        self,
        action: str,
        reading: Reading,
        i: int,
        rank: int,
        context: FlagContext,
        why: Retraction | None = None,
    ) -> FlagDict:
        """The record of a claim's flag that moves now; which log record moved it is for the stage to add."""
        row = int(reading.rows[i])
        self._note(row, action, rank, context, why)
        claims, claim_id = self.tables.claims, self.tables.claims.key(row)
        at = alarm(reading.risk_z[[i]], claims["parts"][[row]], context.params.flag_crowd)
        risk = float(risk_of(reading.risk_z[[i]])[0])
        record: FlagDict = {
            "schema_version": 2,
            "flag_id": f"{RULE}/{claim_id}/{int(claims['flag_no'][row])}",
            "revision": int(claims["flag_rev"][row]),
            "action": action,
            "subject": {"type": "claim", "id": claim_id, "uri": f"/v1/claims/{quote(claim_id, safe='')}"},
            "label": LABEL,
            "policy_id": POLICY_ID,
            "rule_id": f"{RULE}/{RULE_VERSION}",
            "severity": str(severity(rank)),
            "priority": rank,
            "risk": risk,
            "score": float(score_of(reading.score_z[[i]])[0]),
            "claim_version": context.version,
            "confidence": round(float(confidence(at, context.params)[0]), 6),
            "threshold": round(float(sigmoid(context.params.flag_z - at[0] + reading.risk_z[i])), 6),
            "score_version": context.core_version,
            "reasons": self._reasons(reading, i, risk, action, context),
            "source": "automated",
            "event_time_ms": int(claims["last"][row]),
            "detected_at_ms": context.now_ms,
        }
        if why is None:
            return record | {"expires_at_ms": context.now_ms + context.config.flag_expiry_ms}
        return record | {"retracted_because": str(why)}

    def _note(self, row: int, action: str, rank: int, context: FlagContext, why: Retraction | None) -> None:
        """Keep what the next record of this flag depends on."""
        claims = self.tables.claims
        if action == "raise":
            claims["flag_no"][row], claims["flag_rev"][row] = context.version, 0
        claims["flag"][row] = STOOD if why == Retraction.SETTLED else action != "retract"
        claims["flag_rev"][row] += 1
        claims["flag_priority"][row] = rank
        claims["flag_at"][row] = context.now_ms
        claims.touch(np.array([row]))

    def _reasons(self, reading: Reading, i: int, risk: float, action: str, context: FlagContext) -> list[ReasonDict]:
        """What adds up to the log-odds of the risk, to the last digit; what to read, unless nobody needs to look."""
        parts, row, config = self.tables.parts, int(reading.rows[i]), context.config
        rows = None
        if action != "retract":
            rows = np.flatnonzero((parts["c"][: parts.size] == row) & (parts["z"][: parts.size] > 0))
        reasons = risk_reasons(self.tables, row, reading.signals[i], config, context.params, rows, config.reasons)
        for reason in reasons:
            reason["weight"] = round(reason["weight"], 6)
        # Risk and weights are rounded: what that takes or leaves is in the rest, or else in the weakest.
        rest = next((reason for reason in reasons if reason["code"] == "others"), reasons[-1])
        total = math.fsum(reason["weight"] for reason in reasons if reason is not rest)
        rest["weight"] = round(float(logit(risk)) - total, 6)
        return reasons
