"""Every metric once: its name, kind, label values and sentence. Label sets are closed and never hold ids.

To add one, add a `define` line; the reference table follows. Each process serves its own registry.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt
import prometheus_client as prometheus

from streams.contract.topics import BETWEEN, EVENTS, RULINGS
from streams.contract.words import DeadLetterCode, DeliveryState, Fate, FlagAction, Mend, Severity

prometheus.disable_created_metrics()  # type: ignore[no-untyped-call]
REGISTRY = prometheus.CollectorRegistry()
prometheus.ProcessCollector(registry=REGISTRY)
prometheus.PlatformCollector(registry=REGISTRY)

# The one label without a list of values: any number below the partition count.
PARTITION = ("0…",)
OTHER = "other"
STAGES = ("intake", *(topic.reader for topic in BETWEEN))
# Intake reads two topics, each with a lag of its own.
INPUTS = (f"intake-{EVENTS.base}", f"intake-{RULINGS.base}", *STAGES[1:])
VITAL_SIGNS = ("echo_index", "accuracy", "insularity", "dissent", "hidden_dissent", "concentration", "bridging")
STEPS = ("apply", "changelog", "outbox", "whole")
_SMALL_S = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
_SIZES = (1, 10, 100, 300, 1_000, 3_000, 10_000, 30_000, 100_000)
_DELAYS_S = (60, 300, 900, 1_800, 3_600, 7_200, 14_400, 28_800, 86_400, 259_200, 604_800)


class Band(StrEnum):
    """How a score is read by a person; also the label of score counters."""

    UNKNOWN = "not enough evidence"
    LOW = "low"
    MIDDLE = "middle"
    HIGH = "high"


@dataclass
class Metric:
    """A metric as it is declared; `at` gives the child to count on."""

    kind: str
    name: str
    doc: str
    labels: Mapping[str, tuple[str, ...]]
    collector: Any = field(repr=False)
    _children: dict[tuple[str, ...], Any] = field(default_factory=dict, repr=False)

    def at(self, *values: str | int) -> Any:
        """The child to count on, for label values in the order of their declaration.

        A value outside the closed set counts as "other", so that counting never ends a process.
        """
        key = tuple(map(str, values))
        if (child := self._children.get(key)) is None:
            named = tuple(self._within(label, value) for label, value in zip(self.labels, key, strict=True))
            child = self._children[key] = self.collector.labels(*named) if named else self.collector
        return child

    def _within(self, label: str, value: str) -> str:
        allowed = self.labels[label]
        return value if value in allowed or (allowed is PARTITION and value.isdecimal()) else OTHER

    def forget(self, *values: str | int) -> None:
        """Drop these label values, as when a partition has gone to another worker."""
        if self._children.pop(key := tuple(map(str, values)), None) is not None:
            self.collector.remove(*key)


ALL: list[Metric] = []


def define(type_: str, name: str, doc: str, /, *, buckets: tuple[float, ...] = (), **labels: tuple[str, ...]) -> Metric:
    """Declare a metric.

    Args:
        type_: counter, gauge or histogram.
        buckets: upper bounds of a histogram's buckets; () for those of the library.
        labels: label → every value that it can have.
    """
    makers = {"counter": prometheus.Counter, "gauge": prometheus.Gauge, "histogram": prometheus.Histogram}
    extra: dict[str, Any] = {"buckets": buckets} if buckets else {}
    metric = Metric(type_, name, doc, labels, makers[type_](name, doc, tuple(labels), registry=REGISTRY, **extra))
    ALL.append(metric)
    return metric


RECORDS = define("counter", "credence_records_total", "Records of its input that a stage has applied.", stage=STAGES)
ROWS = define("counter", "credence_rows_total", "Events, credits and rulings within those records.", stage=STAGES)
REPEATS = define(
    "counter", "credence_repeats_total", "Events that had been seen already and were not counted.", stage=STAGES
)
BATCH_RECORDS = define(
    "histogram", "credence_batch_records", "Records made durable in one step.", buckets=_SIZES, stage=STAGES
)
BATCH_ROWS = define("histogram", "credence_batch_rows", "Rows made durable in one step.", buckets=_SIZES, stage=STAGES)
BATCH_SECONDS = define(
    "histogram", "credence_batch_seconds", "Time that a step took, by part and as a whole.",
    buckets=_SMALL_S, stage=STAGES, step=STEPS,
)  # fmt: skip
CHANGELOG_BYTES = define(
    "counter", "credence_changelog_bytes_total", "Bytes written to a stage's changelog.", stage=STAGES
)
LAG_RECORDS = define(
    "gauge", "credence_lag_records", "Records between what a stage has applied and the end of its input.",
    stage=INPUTS, partition=PARTITION,
)  # fmt: skip
LAG_SECONDS = define(
    "gauge", "credence_lag_seconds", "Age of the record that a stage is at, growing while it is stuck; 0 at the end.",
    stage=INPUTS, partition=PARTITION,
)  # fmt: skip
INPUT_CUT = define(
    "counter", "credence_input_cut_records_total", "Offsets of an input that were deleted before they were read.",
    stage=INPUTS[:2],
)  # fmt: skip
RECOVERY_SECONDS = define(
    "histogram",
    "credence_recovery_seconds",
    "Time to claim a partition and read its state.",
    buckets=_SMALL_S,
    stage=STAGES,
)
RECOVERED_ROWS = define("counter", "credence_recovered_rows_total", "Rows of state read in recoveries.", stage=STAGES)
SCORES = define(
    "counter", "credence_scores_total", "Scores published, by what they are about and how they read.",
    subject=("claim", "source"), band=tuple(Band),
)  # fmt: skip
FLAGS = define(
    "counter", "credence_flags_total", "Flag records published.", action=tuple(FlagAction), severity=tuple(Severity)
)
FLAG_DELAY = define(
    "histogram", "credence_flag_delay_seconds", "Event time from a claim's first post to its flag.", buckets=_DELAYS_S
)
CLUSTERED = define(
    "counter", "credence_assignments_total", "Sources told that they act as one with others, or no longer do.",
    cluster=("joined", "left"),
)  # fmt: skip
VITALS = define(
    "gauge", "credence_communities_ratio", "Communities' vital signs at the last look: mean over communities.",
    sign=VITAL_SIGNS,
)  # fmt: skip
DEAD_LETTERS = define("counter", "credence_dead_letters_total", "Input refused, by reason.", code=tuple(DeadLetterCode))
RULINGS_HEARD = define(
    "counter", "credence_rulings_total", "Rulings by what became of them; one superseded or forgotten counts again.",
    fate=tuple(Fate),
)  # fmt: skip
MENDED = define(
    "counter", "credence_mended_total", "Input that counts although a text in it, which names nothing, had a fault.",
    fault=tuple(Mend),
)  # fmt: skip
API_ROUTES = (
    "claims", "claims-list", "claims-batch", "explanations", "history", "sources", "sources-list", "sources-batch",
    "communities", "communities-list", "flags", "flag", "changes", "healthz", "readyz", "metrics", "openapi", "other",
)  # fmt: skip
API_REQUESTS = define(
    "counter", "credence_api_requests_total", "Requests answered by the query service.",
    route=API_ROUTES, status=("2xx", "3xx", "4xx", "5xx"),
)  # fmt: skip
API_SECONDS = define(
    "histogram", "credence_api_request_seconds", "Time to answer a request.", buckets=_SMALL_S, route=API_ROUTES
)
API_RECORDS = define(
    "gauge",
    "credence_api_records",
    "Records that the query service can answer with.",
    kind=("claims", "sources", "communities", "flags"),
)
API_BEHIND = define(
    "gauge", "credence_api_behind_seconds", "Time since the query service last held all that Kafka held."
)

TARGETS = ("osprey", "coop", "ozone", "mastodon", "activitypub", "webhook")
DELIVERIES = define(
    "counter", "credence_deliveries_total", "Flag records by what became of them at a target.",
    target=TARGETS, outcome=(*DeliveryState, "skipped"),
)  # fmt: skip
DELIVERY_ANSWERS = define(
    "counter", "credence_delivery_answers_total", "Tries to reach a target, by how it answered.",
    target=TARGETS, status=("2xx", "3xx", "4xx", "5xx", "none", "unreachable"),
)  # fmt: skip
DELIVERY_DELAY = define(
    "histogram", "credence_delivery_delay_seconds", "Time from a flag's raise until its target has taken it.",
    buckets=(*_SMALL_S, 100.0, 1_000.0, 10_000.0), target=TARGETS,
)  # fmt: skip
DELIVERY_WAITING = define(
    "gauge", "credence_delivery_waiting_seconds", "How long flags have been waiting for a target that takes none.",
    target=TARGETS,
)  # fmt: skip


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


def set_lag(stage: str, partition: int, records: int, append_ms: int) -> None:
    """Note how far a stage is behind on a partition; `append_ms` is the broker's time of the last applied record."""
    LAG_RECORDS.at(stage, partition).set(records)
    # Computed at the scrape: the lag of a stage that no longer reports grows.
    LAG_SECONDS.at(stage, partition).set_function(
        lambda: max(0.0, time.time() - append_ms / 1000) if records > 0 else 0.0
    )


def forget_partition(stage: str, partition: int) -> None:
    """Stop reporting a partition that another worker has now."""
    LAG_RECORDS.forget(stage, partition)
    LAG_SECONDS.forget(stage, partition)


def count_flag(flag: Mapping[str, Any], first_event_ms: int | None) -> None:
    """Count a flag record. For a raise, also observe the event time since the claim's first event, if that is known."""
    FLAGS.at(flag["action"], flag["severity"]).inc()
    if flag["action"] == FlagAction.RAISE and first_event_ms is not None:
        FLAG_DELAY.at().observe(max(0, flag["event_time_ms"] - first_event_ms) / 1000)


def exposition() -> bytes:
    """All metrics of this process in Prometheus' text format."""
    return prometheus.generate_latest(REGISTRY)


def serve(host: str, port: int) -> int:
    """Serve the metrics of this process over HTTP from a thread; returns the port.

    Several workers may run on one machine, so where the port is taken any free one is used.
    """
    try:
        server, _ = prometheus.start_http_server(port, host, REGISTRY)
    except OSError:
        server, _ = prometheus.start_http_server(0, host, REGISTRY)
    return int(server.server_port)


def table() -> list[tuple[str, str, str, str]]:
    """Every metric as (name, kind, labels, sentence), for the documentation."""
    return [(metric.name, metric.kind, ", ".join(metric.labels), metric.doc) for metric in ALL]
