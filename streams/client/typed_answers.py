"""What the query service answers, typed: the records, with their words, and without a figure on little evidence."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from streams.contract.flag_record import Rating
from streams.contract.records import ClaimScore, Flag, SourceScore
from streams.contract.records import Community as CommunityRecord


class Claim(ClaimScore, frozen=True, kw_only=True):
    """What is known of a claim. `score` is None where there is not enough evidence; `assessment` says it in words."""

    score: float | None  # type: ignore[assignment]
    enough_evidence: bool
    assessment: str


class Source(SourceScore, frozen=True, kw_only=True):
    """What is known of a source. `credibility` is None where there is not enough evidence."""

    credibility: float | None  # type: ignore[assignment]
    enough_evidence: bool
    assessment: str


class Community(CommunityRecord, frozen=True, kw_only=True):
    """How a community fares. `echo_index` is None where there is not enough evidence."""

    echo_index: float | None  # type: ignore[assignment]
    assessment: str


class FlagRecord(Flag, frozen=True, kw_only=True):
    """A revision of a flag. `score` is None where there is not enough evidence."""

    score: float | None  # type: ignore[assignment]


class FlagHistory(FlagRecord, frozen=True, kw_only=True):
    """A flag as it is now, and all its revisions, the oldest first."""

    revisions: list[FlagRecord]


class Weighed(Struct, frozen=True, kw_only=True):
    """A reason, with what it adds in nats."""

    code: str
    weight: float
    text: str = ""
    evidence_ids: list[str] = []


class Sum(Struct, frozen=True, kw_only=True):
    """A figure with the reasons that add up to its log-odds; the figure is None on little evidence."""

    value: float | None
    log_odds: float
    reasons: list[Weighed]


class Expert(Struct, frozen=True, kw_only=True):
    """By whose weights signals count: what that adds in nats, and of that each idea; no share of an operator's."""

    code: str
    text: str
    share: float | None
    weight: float
    parts: list[Weighed]


class RiskSum(Sum, frozen=True, kw_only=True):
    """The risk, also by whose weights."""

    experts: list[Expert] = []


class Explanation(Struct, frozen=True, kw_only=True):
    """Why a claim has its score and risk."""

    claim_id: str
    score: Sum
    risk: RiskSum


class Point(Struct, frozen=True, kw_only=True):
    """A claim's figures as they were published once."""

    as_of_ms: int
    version: int
    score: float | None
    low: float
    high: float
    risk: float
    risk_low: float | None = None
    risk_high: float | None = None
    enough_evidence: bool
    flagged: bool
    verdict: str | None


class FlagMove(Struct, frozen=True, kw_only=True):
    """A revision of a flag in a claim's history."""

    flag_id: str
    revision: int
    action: str
    priority: int
    risk: float
    detected_at_ms: int


class History(Struct, frozen=True, kw_only=True):
    """How a claim's score and risk came about, the oldest first, and every move of its flags."""

    claim_id: str
    points: list[Point]
    flags: list[FlagMove]


class Figures(Struct, frozen=True, kw_only=True):
    """A claim's figures beside a ruling. `score` is None where there is not enough evidence."""

    version: int
    score: float | None
    low: float
    high: float
    enough_evidence: bool
    risk: float
    risk_low: float | None = None
    risk_high: float | None = None
    verdict: str | None
    flagged: bool


class Ruled(Struct, frozen=True, kw_only=True):
    """A ruling, and what came of it.

    Attributes:
        became: counts, unchanged (the rater's word was this already), superseded, or pending: written, and no worker
            has taken it in yet.
        before, after: the claim's figures without and with it; `after` is None while it is pending.
        flag: none, stands, raised or taken back; None while it is pending.
        rulings: all raters' words, as in the claim's record.
    """

    claim_id: str
    rater_id: str
    verdict: str
    kind: str
    ruling_id: str
    version: int
    became: str
    before: Figures
    after: Figures | None
    flag: str | None
    rulings: list[Rating]
    raters_disagree: bool


class Change(Struct, frozen=True, kw_only=True):
    """What a change feed tells.

    Attributes:
        subject: claim, source, community or flag.
        id: of the record's key; of a flag it is the claim's.
        at: topic/partition/offset, by which a repeat is known.
        record: as the service gives it; None where the key was deleted.
    """

    subject: str
    id: str
    at: str
    record: dict[str, Any] | None
