"""Every metric once: its name, kind, label values, which processes know it, and its sentence. No label holds an id.

To add one, add a `define` line; the reference table follows. `metric` says how they are kept and served.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from enum import StrEnum
from importlib.metadata import version
from typing import Any

import numpy as np
import numpy.typing as npt

from streams.contract.metric import ALL as ALL
from streams.contract.metric import ANY, PARTITION, define, resident_bytes
from streams.contract.metric import OTHER as OTHER
from streams.contract.metric import REGISTRY as REGISTRY
from streams.contract.metric import SERVED as SERVED
from streams.contract.metric import Metric as Metric
from streams.contract.metric import Role as Role
from streams.contract.metric import table as table
from streams.contract.topics import BETWEEN, INPUTS
from streams.contract.words import (
    FLAG_RULES,
    DeadLetterCode,
    DeliveryState,
    Fate,
    FlagAction,
    Mend,
    Retraction,
    Severity,
    Verdict,
)

STAGES = ("intake", *(topic.reader for topic in BETWEEN))
READ = tuple(topic.base for topic in (*INPUTS, *BETWEEN))
VITAL_SIGNS = ("echo_index", "accuracy", "insularity", "dissent", "hidden_dissent", "concentration", "bridging")
STEPS = ("apply", "changelog", "outbox", "whole")
GROWTHS = ("under 1", "1 to 10", "10 to 100", "over 100")
"""Bands of the events that a claim is expected to bring within a day."""
GROWTH_BOUNDS = (1.0, 10.0, 100.0)
RISKS = ("0.0-0.2", "0.2-0.4", "0.4-0.6", "0.6-0.8", "0.8-1.0")
LEARNED = (
    "recent_false",
    "mu",
    "flag_precision",
    "flag_z",
    "flag_crowd",
    "risk_cal_a",
    "risk_cal_b",
    "score_cal_a",
    "score_cal_b",
)
"""Parameters that tell how scoring fares; there are more."""
_SMALL_S = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
_FRESH_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0)
_SIZES = (1, 10, 100, 300, 1_000, 3_000, 10_000, 30_000, 100_000)
_DELAYS_S = (60, 300, 900, 1_800, 3_600, 7_200, 14_400, 28_800, 86_400, 259_200, 604_800)
_STAGES_RUN = (Role.WORKER, Role.COMMUNITIES)


class Work(StrEnum):
    """What a stage does with the time of a partition; together it is all the time."""

    WAITING = "waiting"
    POLL = "poll"
    DECODE = "decode"
    SCORE = "score"
    CHANGELOG = "changelog"
    OUTBOX = "outbox"


class Band(StrEnum):
    """How a score is read by a person; also the label of score counters."""

    UNKNOWN = "not enough evidence"
    LOW = "low"
    MIDDLE = "middle"
    HIGH = "high"


# --- the pipeline ----------------------------------------------------------------------------------------------------

RECORDS = define(
    "counter", "credence_records_total", "Records of its input that a stage has applied.", by=_STAGES_RUN, stage=STAGES
)
ROWS = define(
    "counter", "credence_rows_total", "Events, credits and rulings within those records.", by=_STAGES_RUN, stage=STAGES
)
REPEATS = define(
    "counter", "credence_repeats_total", "Events that had been seen already and were not counted.",
    by=_STAGES_RUN, stage=STAGES,
)  # fmt: skip
BATCH_RECORDS = define(
    "histogram", "credence_batch_records", "Records made durable in one step.",
    by=_STAGES_RUN, buckets=_SIZES, stage=STAGES,
)  # fmt: skip
BATCH_ROWS = define(
    "histogram", "credence_batch_rows", "Rows made durable in one step.", by=_STAGES_RUN, buckets=_SIZES, stage=STAGES
)
BATCH_SECONDS = define(
    "histogram", "credence_batch_seconds", "Time that a step took, by part and as a whole.",
    by=_STAGES_RUN, buckets=_SMALL_S, stage=STAGES, step=STEPS,
)  # fmt: skip
WORK_SECONDS = define(
    "counter", "credence_stage_seconds_total",
    "Time of a stage's partitions by what is done in it: waiting for records, poll (they are there, and wait their "
    "turn), decode, score, changelog, outbox.",
    by=_STAGES_RUN, stage=STAGES, work=tuple(Work),
)  # fmt: skip
FRESHNESS = define(
    "histogram", "credence_freshness_seconds",
    "From the broker's time of an event or ruling until the stage has published what follows from it; once a block.",
    buckets=_FRESH_S, stage=STAGES[1:3],
)  # fmt: skip
CHANGELOG_BYTES = define(
    "counter", "credence_changelog_bytes_total", "Bytes written to a stage's changelog.", by=_STAGES_RUN, stage=STAGES
)
LAG_RECORDS = define(
    "gauge", "credence_lag_records", "Records between what a stage has applied and the end of a topic that it reads.",
    by=_STAGES_RUN, stage=STAGES, topic=READ, partition=PARTITION,
)  # fmt: skip
LAG_SECONDS = define(
    "gauge", "credence_lag_seconds", "Age of the record that a stage is at, growing while it is stuck; 0 at the end.",
    by=_STAGES_RUN, stage=STAGES, topic=READ, partition=PARTITION,
)  # fmt: skip
STALLED = define(
    "gauge", "credence_stalled_seconds",
    "For how long a partition with work has stood still, the broker been silent or the loop been blocked: the longest.",
    by=_STAGES_RUN,
)  # fmt: skip
INPUT_CUT = define(
    "counter", "credence_input_cut_records_total", "Offsets of an input that were deleted before they were read.",
    topic=READ[:2],
)  # fmt: skip
RECOVERY_SECONDS = define(
    "histogram",
    "credence_recovery_seconds",
    "Time to claim a partition and read its state.",
    by=_STAGES_RUN,
    buckets=_SMALL_S,
    stage=STAGES[1:],
)
RECOVERED_ROWS = define(
    "counter", "credence_recovered_rows_total", "Rows of state read in recoveries.", by=_STAGES_RUN, stage=STAGES[1:]
)
STATE_ROWS = define(
    "gauge", "credence_state_rows", "Rows of state in memory, of the partitions held.", by=_STAGES_RUN, stage=STAGES[1:]
)
OWNED = define(
    "gauge", "credence_owned_partitions", "Partitions whose state this process holds.", by=_STAGES_RUN, stage=STAGES[1:]
)
PARTITIONS = define(
    "gauge", "credence_installed_partitions", "Partitions that every stage has in this installation.", by=_STAGES_RUN
)
REBALANCES = define(
    "counter", "credence_rebalances_total", "Times that partitions were assigned to this process.", by=_STAGES_RUN
)
COMMITS = define("counter", "credence_commits_total", "Times that offsets were committed to the group.", by=_STAGES_RUN)
FENCES = define(
    "counter", "credence_fences_total", "Times that a partition was claimed, which shuts out its former owner.",
    by=_STAGES_RUN, stage=STAGES[1:],
)  # fmt: skip
DEAD_LETTERS = define(
    "counter", "credence_dead_letters_total", "Input refused, by who refused it and why.",
    by=_STAGES_RUN, stage=STAGES, code=tuple(DeadLetterCode),
)  # fmt: skip
MENDED = define(
    "counter", "credence_mended_total", "Input that counts although a text in it, which names nothing, had a fault.",
    fault=tuple(Mend),
)  # fmt: skip

# --- what is found ---------------------------------------------------------------------------------------------------

SCORES = define(
    "counter", "credence_scores_total", "Scores published, by what they are about and how they read.",
    subject=("claim", "source"), band=tuple(Band),
)  # fmt: skip
OPEN_CLAIMS = define("gauge", "credence_open_claims", "Claims in memory that nobody has ruled on.")
RISING_CLAIMS = define(
    "gauge", "credence_rising_claims", "Open claims by the events that they are expected to bring within a day.",
    growth=GROWTHS,
)  # fmt: skip
FLAGS = define(
    "counter", "credence_flags_total", "Flag records published.", action=tuple(FlagAction), severity=tuple(Severity)
)
SHADOW_FLAGS = define(
    "counter", "credence_shadow_flags_total", "Flag records that reach no queue: of rules in shadow, or held back.",
    rule=FLAG_RULES, action=tuple(FlagAction),
)  # fmt: skip
STANDING_FLAGS = define("gauge", "credence_standing_flags", "Flags that stand, by rule.", rule=FLAG_RULES)
FLAG_DELAY = define(
    "histogram", "credence_flag_delay_seconds", "Event time from a claim's first post to its flag.", buckets=_DELAYS_S
)
FLAGS_RETRACTED = define(
    "counter", "credence_flags_retracted_total", "Flags taken back, by why.", because=tuple(Retraction)
)
FLAGS_RULED = define(
    "counter", "credence_flags_ruled_total", "Flags that stood when a verdict came, by what it found: false is right.",
    rule=FLAG_RULES, verdict=tuple(Verdict),
)  # fmt: skip
SWITCH = define(
    "gauge", "credence_flags_switched_ratio", "Whether an operator has paused or killed all flags: 1 or 0.",
    switch=("paused", "killed"),
)  # fmt: skip
CLUSTERED = define(
    "counter", "credence_assignments_total", "Sources told that they act as one with others, or no longer do.",
    by=(Role.COMMUNITIES,), cluster=("joined", "left"),
)  # fmt: skip
VITALS = define(
    "gauge", "credence_communities_ratio", "Communities' vital signs at the last look: mean over communities.",
    by=(Role.COMMUNITIES,), sign=VITAL_SIGNS,
)  # fmt: skip
COMMUNITIES_SEEN = define(
    "gauge", "credence_known_communities", "Communities at the last look, by whether their vital signs can be told.",
    by=(Role.COMMUNITIES,), evidence=("enough", "too little"),
)  # fmt: skip

# --- verdicts, and what they say of the scores -----------------------------------------------------------------------

RULINGS_HEARD = define(
    "counter", "credence_rulings_total", "Rulings by what became of them; one superseded or forgotten counts again.",
    fate=tuple(Fate),
)  # fmt: skip
RULING_SHARE = define(
    "gauge", "credence_ruling_share_ratio",
    "Of the last 300 rulings, the share of the busiest rater, and of the community of the most claims ruled on.",
    by=(Role.WORKER,), of=("rater", "community"),
)  # fmt: skip
RULING_WINDOW = define("gauge", "credence_ruling_window_rulings", "How many rulings those shares are of.")
SETTLED = define(
    "counter", "credence_settled_claims_total",
    "Claims settled as true or false, by the risk that they had when they were an hour old.",
    risk=RISKS,
)  # fmt: skip
SETTLED_EXPECTED = define(
    "counter", "credence_settled_expected_total", "Of those, how many the risk expected to be false.", risk=RISKS
)
SETTLED_FALSE = define("counter", "credence_settled_false_total", "Of those, how many were false.", risk=RISKS)
LEARNED_VALUE = define(
    "gauge", "credence_learned_value",
    "What verdicts have taught, in nats; mu and flag_precision are shares, recent_false that of false in the last ten.",
    parameter=LEARNED,
)  # fmt: skip

# --- processes and the query service ---------------------------------------------------------------------------------

MEMORY = define(
    "gauge", "credence_memory_bytes", "Resident memory of the process, and of the child that decodes for a worker.",
    by=tuple(Role), process=("itself", "child"),
)  # fmt: skip
BUILD = define(
    "gauge", "credence_build_info", "Always 1; the labels are this process's role and its versions.",
    by=tuple(Role), role=tuple(Role), version=ANY, state_version=ANY, core_version=ANY,
)  # fmt: skip
API_ROUTES = (
    "claims", "claims-list", "claims-batch", "explanations", "history", "sources", "sources-list", "sources-batch",
    "communities", "communities-list", "flags", "flag", "changes", "coop-callbacks", "rulings", "decisions",
    "precision", "healthz", "readyz", "metrics", "openapi", "page-front", "page-find", "page-queue", "page-communities",
    "page-claim", "page-claims", "page-voices", "page-source", "page-ruling", "page-decision", "page-sign-in",
    "page-assets", "other",
)  # fmt: skip
API_REQUESTS = define(
    "counter", "credence_api_requests_total", "Requests answered by the query service.",
    by=(Role.API,), route=API_ROUTES, status=("2xx", "3xx", "4xx", "5xx"),
)  # fmt: skip
API_SECONDS = define(
    "histogram", "credence_api_request_seconds", "Time to answer a request.",
    by=(Role.API,), buckets=_SMALL_S, route=API_ROUTES,
)  # fmt: skip
API_RECORDS = define(
    "gauge",
    "credence_api_records",
    "Records that the query service can answer with.",
    by=(Role.API,),
    kind=("claims", "sources", "communities", "flags"),
)
API_BEHIND = define(
    "gauge",
    "credence_api_behind_seconds",
    "Time since the query service last held all that Kafka held.",
    by=(Role.API,),
)
FLAGS_JUDGED = define(
    "gauge", "credence_judged_flags", "Flags that verdicts, or people's decisions, found right or wrong.",
    by=(Role.API,), rule=FLAG_RULES, judge=("verdicts", "decisions"), found=("right", "wrong"),
)  # fmt: skip

TARGETS = ("osprey", "coop", "ozone", "mastodon", "activitypub", "webhook")
DELIVERIES = define(
    "counter", "credence_deliveries_total", "Flag records by what became of them at a target.",
    by=(Role.DELIVERY,), target=TARGETS, outcome=(*DeliveryState, "skipped"),
)  # fmt: skip
DELIVERY_ANSWERS = define(
    "counter", "credence_delivery_answers_total", "Tries to reach a target, by how it answered.",
    by=(Role.DELIVERY,), target=TARGETS, status=("2xx", "3xx", "4xx", "5xx", "none", "unreachable"),
)  # fmt: skip
DELIVERY_DELAY = define(
    "histogram", "credence_delivery_delay_seconds", "Time from a flag's raise until its target has taken it.",
    buckets=(*_SMALL_S, 100.0, 1_000.0, 10_000.0), by=(Role.DELIVERY,), target=TARGETS,
)  # fmt: skip
DELIVERY_WAITING = define(
    "gauge", "credence_delivery_waiting_seconds", "How long flags have been waiting for a target that takes none.",
    by=(Role.DELIVERY,), target=TARGETS,
)  # fmt: skip


def begin(
    role: Role, child: Callable[[], int | None] = lambda: None, state_version: str = "", core_version: str = ""
) -> None:
    """Say what this process is, and of what build; it serves the metrics of its role from now on.

    Args:
        child: process id of the child that works for it; asked at every scrape.
        state_version, core_version: of the stages, in a process that has any.
    """
    SERVED.begin(role)
    BUILD.at(role, version("credence"), state_version, core_version).set(1)
    MEMORY.at("itself").set_function(resident_bytes(os.getpid))
    if role is Role.WORKER:
        MEMORY.at("child").set_function(resident_bytes(child))


LOW_BELOW, HIGH_ABOVE = 1 / 3, 2 / 3


def band(share: float, enough: bool) -> Band:
    """How a score in [0, 1] is read: by thirds of the scale; UNKNOWN without enough evidence."""
    if not enough:
        return Band.UNKNOWN
    return Band.LOW if share < LOW_BELOW else Band.HIGH if share > HIGH_ABOVE else Band.MIDDLE


def count_scores(subject: str, shares: npt.NDArray[np.float64], unknown: int) -> None:
    """Count published scores by band.

    Args:
        shares: [scores] those with enough evidence, each in [0, 1].
        unknown: how many have too little evidence.
    """
    low, high = np.count_nonzero(shares < LOW_BELOW), np.count_nonzero(shares > HIGH_ABOVE)
    counts = {Band.LOW: low, Band.HIGH: high, Band.MIDDLE: len(shares) - low - high, Band.UNKNOWN: unknown}
    for each, count in counts.items():
        SCORES.at(subject, each).inc(count)


def set_lag(stage: str, topic: str, partition: int, records: int, append_ms: int) -> None:
    """Note how far a stage is behind on a partition of a topic, which is named without namespace.

    Args:
        append_ms: the broker's time of the last applied record.
    """
    LAG_RECORDS.at(stage, topic, partition).set(records)
    # Computed at the scrape: the lag of a stage that no longer reports grows.
    LAG_SECONDS.at(stage, topic, partition).set_function(
        lambda: max(0.0, time.time() - append_ms / 1000) if records > 0 else 0.0
    )


def forget_partition(stage: str, topic: str, partition: int) -> None:
    """Stop reporting a partition that another worker has now."""
    LAG_RECORDS.forget(stage, topic, partition)
    LAG_SECONDS.forget(stage, topic, partition)


def count_flag(flag: Mapping[str, Any], first_event_ms: int | None) -> None:
    """Count a flag record. For a raise, also observe the event time since the claim's first event, if that is known."""
    FLAGS.at(flag["action"], flag["severity"]).inc()
    if flag["action"] == FlagAction.RAISE and first_event_ms is not None:
        FLAG_DELAY.at().observe(max(0, flag["event_time_ms"] - first_event_ms) / 1000)
