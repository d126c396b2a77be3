"""What Credence publishes of claims, sources and communities; the latest record of each counts."""

from __future__ import annotations

from typing import Annotated, ClassVar

from streams.contract.flag_record import Rating, Reason
from streams.contract.record_fields import (
    Amount,
    Count,
    Id,
    Ms,
    Ordinal,
    Record,
    Share,
    Signed,
    chars,
    doc,
    form,
)
from streams.contract.words import (
    Verdict,
)


class ClaimScore(Record, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What Credence knows about a claim; the latest record of a claim counts."""

    NAME: ClassVar = "claim-score"
    VERSION: ClassVar = 1

    v: Annotated[int, form(1)]
    claim_id: Annotated[Id, doc("The claim.")]
    version: Annotated[Ordinal, doc("Counts the publications of this key: the highest is the current one.")]
    core_version: Annotated[str, chars(64, "Version of the scoring rules and parameters that made the figure.")]
    as_of_ms: Annotated[Ms, doc("Event time up to which the figures hold, milliseconds since 1970.")]
    score: Annotated[
        Share, doc("Public corroboration: probability that the claim is true by credible, independent support.")
    ]
    low: Annotated[Share, doc("Lower end of the 90 % interval of the score.")]
    high: Annotated[Share, doc("Upper end of the 90 % interval of the score.")]
    risk: Annotated[Share, doc("Probability that the claim is false by every signal; for triage only.")]
    risk_low: Annotated[Share, doc("Lower end of the 90 % interval of the risk.")] | None = None
    risk_high: Annotated[Share, doc("Upper end of the 90 % interval of the risk.")] | None = None
    events: Annotated[Count, doc("Events that stand: repeats, and what was taken back, are not counted.")]
    participants: Annotated[Count, doc("Sources with an event that stands.")]
    supports: Annotated[Count, doc("Sources whose last stance that stands is support.")]
    denies: Annotated[Count, doc("Sources whose last stance that stands is denial.")]
    queries: Annotated[Count, doc("Sources that asked for evidence and took no side.")] | None = None
    comments: Annotated[Count, doc("Sources that commented and took no side.")] | None = None
    first_event_ms: Annotated[
        Ms, doc("Time of the earliest event that stands, or stood until none did, ms since 1970.")
    ]
    last_event_ms: Annotated[Ms, doc("Time of the latest event that stands, or stood until none did, ms since 1970.")]
    verdict: Annotated[Verdict, doc("Verdict in force, if any.")] | None = None
    rulings: (
        Annotated[list[Rating], doc("Who ruled, the newest first, ten at most; absent where nobody has.")] | None
    ) = None
    raters_disagree: (
        Annotated[bool, doc("Whether raters whose rulings are in force found different things; absent without any.")]
        | None
    ) = None
    flagged: Annotated[bool, doc("Whether a flag is raised now.")]
    evidence: Annotated[Amount, doc("Effective weight of independent sources behind the score.")] | None = None
    enough_evidence: (
        Annotated[bool, doc("Whether there is enough to go by; if not, people read so instead of the score.")] | None
    ) = None
    infectiousness: Annotated[Amount, doc("Reshares that an exposure brings about, decayed.")] | None = None
    infectiousness_low: Annotated[Amount, doc("Lower end of its 90 % interval.")] | None = None
    infectiousness_high: Annotated[Amount, doc("Upper end of its 90 % interval.")] | None = None
    expected_growth_24h: Annotated[Amount, doc("Events expected in the next 24 hours.")] | None = None
    reasons: (
        Annotated[
            list[Reason],
            doc("Not sent: records hold figures only. The explanation that the API gives has the reasons."),
        ]
        | None
    ) = None


class SourceScore(Record, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What Credence knows about a source; the latest record of a source counts."""

    NAME: ClassVar = "source-score"
    VERSION: ClassVar = 1

    v: Annotated[int, form(1)]
    source_id: Annotated[Id, doc("The source.")]
    version: Annotated[Ordinal, doc("Counts the publications of this key: the highest is the current one.")]
    core_version: Annotated[str, chars(64, "Version of the scoring rules and parameters that made the figure.")]
    as_of_ms: Annotated[Ms, doc("Event time up to which the figures hold, milliseconds since 1970.")]
    credibility: Annotated[
        Share, doc("Probability that a stance of this source proves right, learned from verdicts alone.")
    ]
    low: Annotated[Share, doc("Lower end of the 90 % interval of the credibility.")]
    high: Annotated[Share, doc("Upper end of the 90 % interval of the credibility.")]
    events: Annotated[Count, doc("Events that stand: repeats, and what it took back, are not counted.")]
    claims: Annotated[Count, doc("Claims in which an event of the source stands.")]
    right: Annotated[
        Count, doc("Settled claims on which its last stance, as it stood before the first ruling, proved right.")
    ]
    wrong: Annotated[Count, doc("Settled claims on which that stance proved wrong.")]
    insight: Annotated[Signed, doc("Mean of 1 − q for stances that proved right and −q for wrong ones, shrunk to 0.")]
    reasons: (
        Annotated[
            list[Reason],
            doc("Not sent: records hold figures only. The explanation that the API gives has the reasons."),
        ]
        | None
    ) = None


class Community(Record, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """How a community fares, for operators and never part of a score; the latest record of a community counts."""

    NAME: ClassVar = "community"
    VERSION: ClassVar = 1

    v: Annotated[int, form(1)]
    community_id: Annotated[
        Id, doc("The community: as events name it, or m01, m02… where it was found by the company kept.")
    ]
    version: Annotated[Ordinal, doc("Counts the publications of this key: the highest is the current one.")]
    core_version: Annotated[str, chars(64, "Version of the scoring rules and parameters that made the figure.")]
    as_of_ms: Annotated[Ms, doc("Broker's time up to which the figures hold, milliseconds since 1970.")]
    members: Annotated[
        Count, doc("Sources that belong to it, among those that took part in two claims or more of late.")
    ]
    claims: Annotated[Count, doc("Claims that they took part in.")]
    settled: Annotated[Count, doc("Those of the claims that have a verdict.")]
    enough_evidence: Annotated[bool, doc("Whether there is enough to go by.")]
    echo_index: Annotated[Share, doc("Whether members err on the same claims: 1 always together, 0 independently.")]
    low: Annotated[Share, doc("Lower end of the 90 % interval of the echo index.")]
    high: Annotated[Share, doc("Upper end of the 90 % interval of the echo index.")]
    accuracy: Annotated[Share, doc("Share of members' stances on settled claims that proved right.")] | None = None
    insularity: Annotated[Signed, doc("E-I index of meetings on claims: -1 among themselves, 1 with others only.")]
    dissent: Annotated[Share, doc("Mean share of stances against the majority of the members on a claim.")]
    hidden_dissent: Annotated[
        Share, doc("Share of denials of what most members supported that came after the verdict only.")
    ]
    correction_half_life_h: Annotated[Amount, doc("Hours in which new support of a falsehood halves.")] | None = None
    origins: Annotated[float, doc("Effective number of communities that its claims come from.")]
    concentration: Annotated[Share, doc("Share of all activity by the most active tenth of the members.")]
    bridging: Annotated[Share, doc("Mean agreement across viewpoints on what its members support.")] | None = None
