"""What the stages report, as metrics."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from streams.contract import metrics, topics
from streams.contract.wording import enough_evidence, headline
from streams.engine.stage import BatchReport
from streams.tables.blocks import Block

INTAKE = "intake"


def taken_in(records: int, rows: int, rejected: Sequence[str], seconds: float, mended: Sequence[str] = ()) -> None:
    """One batch of input was decoded and routed."""
    _sizes(INTAKE, records, rows)
    metrics.BATCH_SECONDS.at(INTAKE, "whole").observe(seconds)
    for code in rejected:
        metrics.DEAD_LETTERS.at(code).inc()
    for fault in mended:
        metrics.MENDED.at(fault).inc()


def applied(stage: str, report: BatchReport) -> None:
    """One micro-batch of a stateful stage became durable."""
    _sizes(stage, report.records, report.rows)
    parts = {"apply": report.apply_s, "changelog": report.changelog_s, "outbox": report.outbox_s}
    for step, seconds in parts.items():
        metrics.BATCH_SECONDS.at(stage, step).observe(seconds)
    metrics.BATCH_SECONDS.at(stage, "whole").observe(sum(parts.values()))
    metrics.CHANGELOG_BYTES.at(stage).inc(report.changelog_bytes)


def scored(subject: str, records: Collection[Mapping[str, Any]]) -> None:
    """A stage sends these score records (`subject`: claim, source or community)."""
    if subject == topics.COMMUNITIES.key:
        _vitals(records)
        return
    figure = headline(subject)
    known = np.array([record[figure] for record in records if enough_evidence(subject, record)])
    metrics.count_scores(subject, known, len(records) - len(known))


def flagged(flags: Iterable[Mapping[str, Any]], scores: Mapping[str, Mapping[str, Any]]) -> None:
    """A step publishes these flags, and score records by key."""
    for flag in flags:
        # A raise comes with the claim's score record in the same step, which says when the claim began.
        first_event_ms = scores.get(flag["subject"]["id"], {}).get("first_event_ms")
        metrics.count_flag(flag, first_event_ms)


def count_refused(codes: Iterable[str]) -> None:
    """Rows or records are refused, with these dead-letter codes."""
    for code in codes:
        metrics.DEAD_LETTERS.at(code).inc()


def ruled(fates: Mapping[str, int]) -> None:
    """Rulings met these fates."""
    for fate, count in fates.items():
        metrics.RULINGS_HEARD.at(fate).inc(count)


def sent(blocks: Iterable[Block]) -> None:
    """A stage sends these blocks; those of kind "assign" tell sources their new clusters, 0 for none."""
    for block in blocks:
        for cluster in block["cl"].tolist() if block.kind == "assign" else ():
            metrics.CLUSTERED.at("joined" if cluster else "left").inc()


def _vitals(records: Iterable[Mapping[str, Any]]) -> None:
    """One look's vital signs of all communities are published."""
    found = [record for record in records if record["enough_evidence"]]
    for sign in metrics.VITAL_SIGNS:
        values = [record[sign] for record in found if record[sign] is not None]
        if values:
            metrics.VITALS.at(sign).set(sum(values) / len(values))


def repeated(stage: str, rows: int) -> None:
    """Rows were dropped because the very same event had been seen."""
    if rows:
        metrics.REPEATS.at(stage).inc(rows)


def lost(stage: str, partition: int) -> None:
    """A partition is not this worker's any more."""
    metrics.forget_partition(stage, partition)


def cut(stage: str, offsets: int) -> None:
    """Input was deleted before the intake had read it."""
    metrics.INPUT_CUT.at(stage).inc(offsets)


def recovered(stage: str, seconds: float, rows: int) -> None:
    """A partition was claimed and its state read."""
    metrics.RECOVERY_SECONDS.at(stage).observe(seconds)
    metrics.RECOVERED_ROWS.at(stage).inc(rows)


def lag(stage: str, partition: int, records: int, append_ms: int) -> None:
    """A stage has applied its input up to here."""
    metrics.set_lag(stage, partition, records, append_ms)


def _sizes(stage: str, records: int, rows: int) -> None:
    metrics.RECORDS.at(stage).inc(records)
    metrics.ROWS.at(stage).inc(rows)
    metrics.BATCH_RECORDS.at(stage).observe(records)
    metrics.BATCH_ROWS.at(stage).observe(rows)
