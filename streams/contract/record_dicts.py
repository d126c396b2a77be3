"""Records as stages make them: dictionaries, which leave as JSON. mypy checks their fields.

`python -m streams.contract.dict_types` wrote this from the records' classes, which say what the fields mean.
"""

from __future__ import annotations

from typing import NotRequired, TypedDict


class ReasonDict(TypedDict):
    """`Reason` as a dictionary."""

    code: str
    text: NotRequired[str | None]
    weight: float
    evidence_ids: NotRequired[list[str] | None]


class RatingDict(TypedDict):
    """`Rating` as a dictionary."""

    rater_id: str
    version: int
    verdict: str
    kind: str
    ruled_at_ms: int
    ruling_id: str
    url: NotRequired[str | None]
    note: NotRequired[str | None]


class SubjectDict(TypedDict):
    """`Subject` as a dictionary."""

    type: str
    id: str
    uri: NotRequired[str | None]


class RootDict(TypedDict):
    """`Root` as a dictionary."""

    event_id: NotRequired[str | None]
    author_id: NotRequired[str | None]
    posted_at_ms: NotRequired[int | None]
    text: NotRequired[str | None]
    url: NotRequired[str | None]
    lang: NotRequired[str | None]


class SpreadDict(TypedDict):
    """`Spread` as a dictionary."""

    participants: int
    events: int
    first_event_ms: int
    per_hour: float
    expected_per_hour: NotRequired[float | None]
    expected_24h: NotRequired[float | None]
    usual_participants: NotRequired[float | None]


class ClaimScoreDict(TypedDict):
    """`ClaimScore` as a dictionary."""

    v: int
    claim_id: str
    version: int
    core_version: str
    as_of_ms: int
    score: float
    low: float
    high: float
    risk: float
    risk_low: NotRequired[float | None]
    risk_high: NotRequired[float | None]
    events: int
    participants: int
    supports: int
    denies: int
    queries: NotRequired[int | None]
    comments: NotRequired[int | None]
    first_event_ms: int
    last_event_ms: int
    verdict: NotRequired[str | None]
    rulings: NotRequired[list[RatingDict] | None]
    raters_disagree: NotRequired[bool | None]
    flagged: bool
    evidence: NotRequired[float | None]
    enough_evidence: NotRequired[bool | None]
    infectiousness: NotRequired[float | None]
    infectiousness_low: NotRequired[float | None]
    infectiousness_high: NotRequired[float | None]
    expected_growth_24h: NotRequired[float | None]
    reasons: NotRequired[list[ReasonDict] | None]


class SourceScoreDict(TypedDict):
    """`SourceScore` as a dictionary."""

    v: int
    source_id: str
    version: int
    core_version: str
    as_of_ms: int
    credibility: float
    low: float
    high: float
    events: int
    claims: int
    right: int
    wrong: int
    insight: float
    reasons: NotRequired[list[ReasonDict] | None]


class CommunityDict(TypedDict):
    """`Community` as a dictionary."""

    v: int
    community_id: str
    version: int
    core_version: str
    as_of_ms: int
    members: int
    claims: int
    settled: int
    enough_evidence: bool
    echo_index: float
    low: float
    high: float
    accuracy: NotRequired[float | None]
    insularity: float
    dissent: float
    hidden_dissent: float
    correction_half_life_h: NotRequired[float | None]
    origins: float
    concentration: float
    bridging: NotRequired[float | None]


class FlagDict(TypedDict):
    """`Flag` as a dictionary."""

    flag_id: str
    revision: int
    schema_version: int
    action: str
    retracted_because: NotRequired[str | None]
    subject: SubjectDict
    claim: NotRequired[RootDict | None]
    spread: NotRequired[SpreadDict | None]
    supports: NotRequired[int | None]
    denials: NotRequired[int | None]
    queries: NotRequired[int | None]
    community: NotRequired[str | None]
    rulings: NotRequired[list[RatingDict] | None]
    raters_disagree: NotRequired[bool | None]
    label: str
    policy_id: str
    rule_id: str
    severity: str
    priority: int
    risk: float
    risk_low: NotRequired[float | None]
    risk_high: NotRequired[float | None]
    score: float
    score_low: NotRequired[float | None]
    score_high: NotRequired[float | None]
    enough_evidence: NotRequired[bool | None]
    claim_version: int
    confidence: float
    threshold: float
    score_version: str
    reasons: list[ReasonDict]
    would_fall: NotRequired[str | None]
    appeal: NotRequired[str | None]
    source: str
    event_time_ms: int
    detected_at_ms: int
    expires_at_ms: NotRequired[int | None]
    trace_id: NotRequired[str]


class DeadLetterDict(TypedDict):
    """`DeadLetter` as a dictionary."""

    v: int
    code: str
    detail: str
    topic: str
    topic_id: NotRequired[str | None]
    partition: int
    offset: int
    append_ms: int
    stage: str
    key_b64: NotRequired[str | None]
    key_length: NotRequired[int | None]
    raw: NotRequired[str | None]
    raw_sha256: NotRequired[str | None]
    raw_length: NotRequired[int | None]
    redrive_of: NotRequired[str | None]
    redrives: NotRequired[int | None]
    redriven_at_ms: NotRequired[int | None]
