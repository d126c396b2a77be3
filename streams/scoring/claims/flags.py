"""Flags: claims that people should look at, raised, updated and retracted, never acted on by themselves.

    raise    when the claim's alarm reaches the threshold in force (see `alarm`: the risk, a little more for claims that
             many have joined, and the precision that an operator wants), and there is budget; and again when what
             settled a claim that stood flagged is withdrawn, unless the alarm fell meanwhile. A claim of less than half
             an hour must be as large as is usual at one hour: the risk is calibrated at that age, and a few events in
             a minute look like a slow start
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
import numpy.typing as npt

from streams.contract.record_dicts import FlagDict, ReasonDict
from streams.contract.words import Retraction, Severity
from streams.scoring import cascade
from streams.scoring.claims import flag_facts
from streams.scoring.claims.claim_tables import ClaimTables
from streams.scoring.claims.explain import risk_reasons
from streams.scoring.claims.ratings import add_ratings
from streams.scoring.claims.reading import HORIZON_S, risk_of, score_of
from streams.scoring.config import DAY_MS, ScoringConfig
from streams.scoring.numeric import Int, Ints, chance, logit, sigmoid
from streams.scoring.parameters.alarm import alarm
from streams.scoring.parameters.params import Params
from streams.tables.compiled import inlined
from streams.tables.table import Table

RULE, RULE_VERSION = "risk-cascade", 1
POLICY_ID = "misinformation"
LABEL = "possible-falsehood"
SEVERITIES = ((Severity.CRITICAL, 75), (Severity.HIGH, 60), (Severity.MEDIUM, 30), (Severity.LOW, 0))
STOOD = -1  # in place of 1 for a raised flag: it stood when the claim was settled
STAYS, RAISE, UPDATE, RETRACT = range(4)
ACTIONS = (None, "raise", "update", "retract")


@dataclass(slots=True)
class FlagContext:
    """What a flag record needs beside the claim; `version` is that of score records made now."""

    config: ScoringConfig
    params: Params
    settings: npt.NDArray[Any]
    core_version: str
    now_ms: int
    version: int


def confidence(level: float, params: Params) -> float:
    """P(alarm > threshold), the alarm being normal with the calibration's standard deviation.

    >>> confidence(Params().flag_z, Params())
    0.5
    """
    return 0.5 * math.erfc((params.flag_z - level) / max(params.risk_sd, 1e-6) / math.sqrt(2.0))


@inlined
def priority(claim: Any, reading: Any) -> Int:
    """0–100 by risk × expected growth."""
    growth = cascade.expected_growth(claim, cascade.infectiousness(claim)[0], HORIZON_S)
    reach = math.log10(1.0 + chance(reading.risk_z) * growth)
    return np.int64(np.rint(100.0 * (1.0 - 1.0 / (1.0 + reach))))


def severity(rank: int) -> Severity:
    """How much is at stake at this priority."""
    return next(step for step, least in SEVERITIES if rank >= least)


@inlined
def gone(claim: Any) -> bool:
    """Whether there is nothing left to look at."""
    return bool(claim.bare > 0 or claim.events == 0)


@inlined
def is_ripe(claim: Any, settings: Any) -> bool:
    """Whether enough is there to look at: time enough, or as many participants as claims usually have at one hour."""
    if claim.participants < settings.flag_min_participants:
        return False
    old = claim.last_ms - claim.first_ms >= settings.flag_ripe_ms
    return bool(old or math.log(claim.participants) >= settings.flag_crowd)


@inlined
def decide(claim: Any, reading: Any, clock: Any, settings: Any) -> tuple[Int, Int]:
    """What becomes of a claim's flag now, and its priority; keeps the highest alarm of open claims."""
    raised, settled = claim.flag > 0, claim.verdict > 0
    level = alarm(reading.risk_z, claim.participants, settings.flag_crowd)
    is_open = not settled and not gone(claim) and is_ripe(claim, settings)
    if is_open:
        claim.alarm = max(level, np.float64(claim.alarm))
    likely, stood = is_open and level >= settings.flag_z, is_open and claim.flag == STOOD
    if stood:
        claim.flag = 0
    unlikely = level < settings.flag_z - settings.flag_hysteresis
    killed = settings.flags_killed > 0
    if raised:
        if unlikely or settled or gone(claim) or killed:
            return RETRACT, 0
        rank = priority(claim, reading)
        return UPDATE if worth_an_update(claim, rank, settings) else STAYS, rank
    if killed or settings.flags_paused > 0:
        return STAYS, 0
    if (stood and not unlikely) or (likely and spend(clock, claim.last_ms, settings)):
        return RAISE, priority(claim, reading)
    return STAYS, 0


@inlined
def worth_an_update(claim: Any, rank: Int, settings: Any) -> bool:
    """Whether a flag that stands moved in the queue, or is due for a later expiry."""
    moved = abs(rank - claim.flag_priority) >= settings.flag_update_priority
    return bool(moved or np.int64(claim.seen) * 1000 - claim.flag_at_ms >= settings.flag_renewal_ms)


@inlined
def spend(clock: Any, event_ms: Int, settings: Any) -> bool:
    """Take a flag from its day's budget; whether there was one left."""
    day = event_ms // DAY_MS
    if day > clock.flag_day:
        clock.flag_day, clock.flags_today = day, 0
    if clock.flags_today >= settings.flags_a_day:
        return False
    clock.flags_today += 1
    return True


class Flags:
    """Writes the flag records of a partition's claims."""

    def __init__(self, tables: ClaimTables, communities: Table) -> None:
        self.tables = tables
        self.communities = communities
        self._raised: set[int] | None = None  # claims whose flag may stand; None: any

    def moved(self, action: int, reading: Any, rank: int, context: FlagContext) -> FlagDict:
        """The record of a claim's flag that was decided to move."""
        if action != RETRACT:
            return self._record(str(ACTIONS[action]), reading, rank, context)
        claim = self.tables.claims.records[int(reading["claim"])]
        why = Retraction.POSTS_GONE if gone(claim) else Retraction.RISK_FELL
        why = Retraction.SETTLED if claim["verdict"] > 0 else why
        why = Retraction.KILLED if context.params.flags_killed > 0 else why
        return self._record("retract", reading, 0, context, why)

    def raised(self) -> Ints:
        """Claims whose flag stands, ascending; of a state that was just found again, all claims are looked at once."""
        flag = self.tables.claims["flag"]
        rows = self.tables.claims.rows() if self._raised is None else np.array(sorted(self._raised), np.int64)
        rows = rows[flag[rows] > 0]
        self._raised = set(rows.tolist())
        return rows

    def expired(self, context: FlagContext) -> Ints:
        """Claims whose flag has had no record within the expiry, on the log's clock."""
        rows = self.raised()
        return rows[self.tables.claims["flag_at_ms"][rows] + context.config.flag_expiry_ms <= context.now_ms]

    def expire(self, readings: npt.NDArray[Any], context: FlagContext) -> list[FlagDict]:
        """Retractions of the flags of these claims."""
        return [self._record("retract", reading, 0, context, Retraction.EXPIRED) for reading in readings]

    def _record(
        self,
        action: str,
        reading: Any,
        rank: int,
        context: FlagContext,
        why: Retraction | None = None,
    ) -> FlagDict:
        """The record of a claim's flag that moves now; which log record moved it is for the stage to add."""
        row = int(reading["claim"])
        self._note(row, action, rank, context, why)
        claims, claim_id = self.tables.claims, self.tables.claims.key(row)
        risk_z = float(reading["risk_z"])
        level = alarm(risk_z, int(claims["participants"][row]), context.params.flag_crowd)
        risk = float(risk_of(np.array([risk_z]))[0])
        record: FlagDict = {
            "schema_version": 2,
            "flag_id": f"{RULE}/{claim_id}/{int(claims['flag_number'][row])}",
            "revision": int(claims["flag_revision"][row]),
            "action": action,
            "subject": {"type": "claim", "id": claim_id, "uri": f"/v1/claims/{quote(claim_id, safe='')}"},
            "claim": flag_facts.root_of(self.tables, row),
            "spread": flag_facts.spread_of(self.tables, row, context.params),
            "label": LABEL,
            "policy_id": POLICY_ID,
            "rule_id": f"{RULE}/{RULE_VERSION}",
            "severity": str(severity(rank)),
            "priority": rank,
            "risk": risk,
            "score": float(score_of(reading["score_z"])),
            "claim_version": context.version,
            "confidence": round(confidence(level, context.params), 6),
            "threshold": round(float(sigmoid(context.params.flag_z - level + risk_z)), 6),
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
        flag_facts.add_figures(record, self.tables, reading, context.config, context.params)
        if why is not None:
            return record | {"retracted_because": str(why)}
        lapses_ms = context.now_ms + context.config.flag_expiry_ms
        floor = context.params.flag_z - context.config.flag_hysteresis - (level - risk_z)
        words = flag_facts.would_fall(record["reasons"], risk_z, floor, lapses_ms)
        return record | {"would_fall": words, "expires_at_ms": lapses_ms}

    def _note(self, row: int, action: str, rank: int, context: FlagContext, why: Retraction | None) -> None:
        """Keep what the next record of this flag depends on."""
        claims = self.tables.claims
        if action == "raise":
            claims["flag_number"][row], claims["flag_revision"][row] = context.version, 0
            if self._raised is not None:
                self._raised.add(row)
        claims["flag"][row] = STOOD if why == Retraction.SETTLED else action != "retract"
        claims["flag_revision"][row] += 1
        claims["flag_priority"][row] = rank
        claims["flag_at_ms"][row] = context.now_ms
        claims.touch(np.array([row]))

    def _reasons(self, reading: Any, risk: float, action: str, context: FlagContext) -> list[ReasonDict]:
        """What adds up to the log-odds of the risk, to the last digit; what to read, unless nobody needs to look."""
        row, config = int(reading["claim"]), context.config
        rows = None if action == "retract" else self.tables.members(row)
        most = config.reasons
        reasons = risk_reasons(self.tables, row, reading["signals"], context.settings, most, rows, most)
        for reason in reasons:
            reason["weight"] = round(reason["weight"], 6)
        # Risk and weights are rounded: what that takes or leaves is in the rest, or else in the weakest.
        rest = next((reason for reason in reasons if reason["code"] == "others"), reasons[-1])
        total = math.fsum(reason["weight"] for reason in reasons if reason is not rest)
        rest["weight"] = round(float(logit(risk)) - total, 6)
        return reasons
