"""Settings of the scoring core: what an operator fixes. What verdicts teach is in `params`."""

from __future__ import annotations

from dataclasses import dataclass

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS

CORE_VERSION = "1.0"


@dataclass(frozen=True, slots=True)
class ScoringConfig:
    """Every constant of the core that is not learned. Times in milliseconds, evidence in nats.

    The defaults are those of the models' sources (see each signal's file); a change of any of them changes scores,
    so a deployment fixes them before its first event and replays its log when it changes one.
    """

    # Credibility.
    credibility_half_life_ms: int = 180 * DAY_MS
    credibility_prior_strength: float = 6.0  # pseudo-settlements at the prior of the history band
    coin_prior_strength: float = 4.0  # pseudo-settlements of each coin
    weight_max: float = 2.5  # nats one source can add, before any discount for dependence

    # Corroboration.
    rho_cluster: float = 0.9  # correlation inside a copy-cluster
    rho_community: float = 0.15  # between clusters of a community that events name
    rho_unassigned: float = 0.15  # between clusters of no community
    community_cap: float = 2.0  # B: nats by which one community can move a claim
    prior_variance: float = 1.5  # of a claim's log-odds before any evidence
    evidence_variance: float = 0.35  # squared coefficient of variation of one independent piece of evidence
    enough_evidence: float = 1.0  # effective independent weight below which people read "not enough evidence"

    # Participation history.
    history_half_life_ms: int = 30 * DAY_MS  # of the second history; the first does not decay
    history_prior_strength: float = 3.0
    history_design_effect: float = 0.1

    # Copy-clusters.
    rush_ms: int = HOUR_MS  # what a net says this soon after a claim's first event is heard apart

    # Rulings.
    rater_right: float = 97.0  # Beta(97, 3)
    rater_wrong: float = 3.0
    settle_step: int = 4096  # credits in one atomic step

    # Restamping and publishing.
    restamp_epsilon: float = 0.25  # nats that a weight must move for a new stamp; half if coins moved
    restamp_claims: int = 8  # newest open claims of a source that get its new stamp, when its record moved
    recluster_claims: int = 64  # and when it was found to be of a net, or to be of none
    restamp_recent_ms: int = 2 * DAY_MS  # parameters reach sources seen within this; the others when next they speak
    publish_epsilon: float = 0.05  # nats of score or risk
    publish_growth: float = 0.25  # relative growth of a claim's events
    publish_idle_ms: int = 5_000  # a change that was not published at once goes out after so long on a tick
    publish_step: int = 2048  # records in one tick's step
    reasons: int = 5

    # Flags.
    flag_hysteresis: float = 0.5  # nats below the threshold at which a flag is retracted
    flag_update_priority: int = 10
    flag_min_participants: int = 5
    flag_ripe_ms: int = HOUR_MS // 2  # a younger claim is flagged only when it is as large as is usual at one hour
    flag_expiry_ms: int = 7 * DAY_MS  # after a flag's last record, on the log's clock
    flag_renewal_ms: int = DAY_MS  # a flag whose claim is heard of so long after its last record is renewed by another

    # Memory.
    lateness_ms: int = DAY_MS
    claim_expiry_ms: int = 30 * DAY_MS
    applied_expiry_ms: int = 180 * DAY_MS
    sweep_ms: int = HOUR_MS
    sweep_step: int = 16_384  # rows forgotten in one log record
