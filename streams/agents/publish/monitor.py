"""What the stages report, as metrics."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from streams.agents.publish.ruling_share import TopShare
from streams.contract import metrics, topics
from streams.contract.metrics import Work
from streams.contract.wording import enough_evidence, headline
from streams.contract.words import FLAG_RULES, FlagAction, Retraction
from streams.engine.stage import BatchReport
from streams.scoring.census import Census
from streams.tables.blocks import Block

INTAKE = "intake"
_READS = {topic.reader: topic.base for topic in topics.BETWEEN}
_RATERS, _COMMUNITIES = TopShare(), TopShare()


def taken_in(
    records: int,
    rows: int,
    rejected: Sequence[str],
    decode_s: float,
    forward_s: float,
    mended: Sequence[str] = (),
) -> None:
    """One batch of input was decoded and routed, in so many seconds, and then sent."""
    _sizes(INTAKE, records, rows)
    metrics.BATCH_SECONDS.at(INTAKE, "whole").observe(decode_s + forward_s)
    worked(INTAKE, {Work.DECODE: decode_s, Work.OUTBOX: forward_s})
    count_refused(INTAKE, rejected)
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
    spent_s = {Work.DECODE: report.decode_s, Work.SCORE: report.apply_s - report.decode_s}
    worked(stage, {**spent_s, Work.CHANGELOG: report.changelog_s, Work.OUTBOX: report.outbox_s})
    now_s = time.time()
    for arrived_ms in report.arrived_ms:
        metrics.FRESHNESS.at(stage).observe(max(0.0, now_s - arrived_ms / 1000))


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
        if flag["action"] == FlagAction.RETRACT:
            _taken_back(flag, scores.get(flag["subject"]["id"], {}).get("verdict"))


def _taken_back(flag: Mapping[str, Any], verdict: str | None) -> None:
    metrics.FLAGS_RETRACTED.at(flag["retracted_because"]).inc()
    # The verdict that settled a claim comes with its score record in the same step.
    if flag["retracted_because"] == Retraction.SETTLED and verdict is not None:
        metrics.FLAGS_RULED.at(flag["rule_id"].rpartition("/")[0], verdict).inc()


def shadowed(flags: Iterable[Mapping[str, Any]]) -> None:
    """A step publishes these flags, which reach no queue."""
    for flag in flags:
        metrics.SHADOW_FLAGS.at(flag["rule_id"].split("/")[0], flag["action"]).inc()


def count_refused(stage: str, codes: Iterable[str]) -> None:
    """Rows or records are refused, with these dead-letter codes."""
    for code in codes:
        metrics.DEAD_LETTERS.at(stage, code).inc()


def ruled(fates: Mapping[str, int], raters: Sequence[str] = (), communities: Sequence[str] = ()) -> None:
    """Rulings met these fates, of these raters, on claims that began in these communities ("" for none)."""
    for fate, count in fates.items():
        metrics.RULINGS_HEARD.at(fate).inc(count)
    if raters:
        _RATERS.hear(raters)
        _COMMUNITIES.hear(communities)
        metrics.RULING_WINDOW.at().set(_RATERS.heard)
        metrics.RULING_SHARE.at("rater").set(_RATERS.now)
        metrics.RULING_SHARE.at("community").set(_COMMUNITIES.now)


def settled(outcomes: Iterable[tuple[float, bool]]) -> None:
    """Claims were settled: the risk that each had, and whether it was false."""
    for risk, false in outcomes:
        band = metrics.RISKS[min(int(risk * len(metrics.RISKS)), len(metrics.RISKS) - 1)]
        metrics.SETTLED.at(band).inc()
        metrics.SETTLED_EXPECTED.at(band).inc(risk)
        metrics.SETTLED_FALSE.at(band).inc(false)


def sent(blocks: Iterable[Block]) -> None:
    """A stage sends these blocks; those of kind "assign" tell sources their new clusters, 0 for none."""
    for block in blocks:
        for cluster in block["cl"].tolist() if block.kind == "assign" else ():
            metrics.CLUSTERED.at("joined" if cluster else "left").inc()


def _vitals(records: Iterable[Mapping[str, Any]]) -> None:
    """One look's vital signs of all communities are published."""
    records = list(records)
    found = [record for record in records if record["enough_evidence"]]
    metrics.COMMUNITIES_SEEN.at("enough").set(len(found))
    metrics.COMMUNITIES_SEEN.at("too little").set(len(records) - len(found))
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
    metrics.forget_partition(*_place(stage), partition)


def cut(stage: str, offsets: int) -> None:
    """Input was deleted before the intake had read it."""
    metrics.INPUT_CUT.at(_place(stage)[1]).inc(offsets)


def _place(stage: str) -> tuple[str, str]:
    """Stage and topic that a progress report is about. The intake reports one for each of its topics."""
    name, _, topic = stage.partition("-")
    return name, topic or _READS[name]


def recovered(stage: str, seconds: float, rows: int) -> None:
    """A partition was claimed and its state read."""
    metrics.RECOVERY_SECONDS.at(stage).observe(seconds)
    metrics.RECOVERED_ROWS.at(stage).inc(rows)
    metrics.FENCES.at(stage).inc()


def lag(stage: str, partition: int, records: int, append_ms: int) -> None:
    """A stage has applied its input up to here."""
    metrics.set_lag(*_place(stage), partition, records, append_ms)


def worked(stage: str, seconds: Mapping[Work, float]) -> None:
    """A partition's time went there."""
    for work, spent_s in seconds.items():
        metrics.WORK_SECONDS.at(stage, work).inc(spent_s)


def committed() -> None:
    """Offsets were committed."""
    metrics.COMMITS.at().inc()


def held(stages: Iterable[str], owned: Iterable[str]) -> None:
    """Partitions were assigned anew; `owned` names the stage of each that this process holds."""
    metrics.REBALANCES.at().inc()
    count = Counter(owned)
    for stage in stages:
        metrics.OWNED.at(stage).set(count[stage])


def counted(stage: str, rows: int, found: Sequence[Census]) -> None:
    """What the partitions of a stage that this process holds have in memory."""
    metrics.STATE_ROWS.at(stage).set(rows)
    if stage == topics.BY_CLAIM.reader:
        metrics.OPEN_CLAIMS.at().set(sum(each.open_claims for each in found))
        for growth, claims in zip(metrics.GROWTHS, zip(*(each.rising for each in found), strict=True), strict=False):
            metrics.RISING_CLAIMS.at(growth).set(sum(claims))
        for rule in FLAG_RULES:
            metrics.STANDING_FLAGS.at(rule).set(sum(each.standing[rule] for each in found))
    for each in found:
        for switch, value in each.switches.items():
            metrics.SWITCH.at(switch).set(value)
        for parameter in each.learned.keys() & metrics.LEARNED:
            metrics.LEARNED_VALUE.at(parameter).set(each.learned[parameter])


def _sizes(stage: str, records: int, rows: int) -> None:
    metrics.RECORDS.at(stage).inc(records)
    metrics.ROWS.at(stage).inc(rows)
    metrics.BATCH_RECORDS.at(stage).observe(records)
    metrics.BATCH_ROWS.at(stage).observe(rows)
