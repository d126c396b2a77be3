"""Metrics: declared once, closed label sets, and a lag that grows while nothing reports."""

from __future__ import annotations

import re
import subprocess
import sys
import time
import urllib.request
from collections import Counter

import pytest

from streams.agents.intake.translation import ROUTES
from streams.agents.publish import monitor
from streams.contract import metrics
from streams.contract.metric import STAGES_OF
from streams.contract.metrics import STAGES, Band, Work
from streams.contract.settings import Settings
from streams.contract.topics import BETWEEN, BY_CLAIM
from streams.contract.words import FLAG_RULES, DeadLetterCode, Mend
from streams.engine.stage import BatchReport
from streams.scoring.census import Census
from streams.scoring.claims.rising import BOUNDS
from streams.scoring.parameters.flag_rules import RULES
from streams.worker.stages import intake_stage, stage_specs

UNITS = (
    "total", "seconds", "records", "rows", "ratio", "bytes", "info", "partitions", "claims", "flags", "communities",
    "rulings", "value",
)  # fmt: skip


def sample(name: str, **labels: str) -> float:
    value = metrics.REGISTRY.get_sample_value(name, labels)
    return 0.0 if value is None else value


def test_every_metric_is_named_with_its_unit_and_documented() -> None:
    for metric in metrics.ALL:
        assert metric.name.startswith("credence_")
        assert metric.name.rpartition("_")[2] in UNITS
        assert metric.name.endswith("_total") == (metric.kind == "counter")
        assert metric.doc.endswith(".")
    assert len({metric.name for metric in metrics.ALL}) == len(metrics.ALL)


def test_a_label_value_outside_the_closed_set_counts_as_other() -> None:
    metrics.DEAD_LETTERS.at("intake", "made-up-by-a-client").inc()
    assert sample("credence_dead_letters_total", stage="intake", code="other") == 1.0
    place = {"stage": "claims", "topic": BY_CLAIM.base}
    metrics.LAG_RECORDS.at(*place.values(), "../etc").set(7)
    assert sample("credence_lag_records", **place, partition="other") == 7.0
    metrics.LAG_RECORDS.forget(*place.values(), "../etc")
    assert metrics.REGISTRY.get_sample_value("credence_lag_records", {**place, "partition": "other"}) is None


def test_every_report_of_progress_is_a_lag_of_its_stage_on_the_topic_it_reads() -> None:
    for reported in (*stage_specs(Settings(broker="none:1")), *(intake_stage(route) for route in ROUTES)):
        monitor.lag(reported, 0, 7, 0)
        monitor.lag(reported, 1, 8, 0)
        monitor.lost(reported, 0)
        monitor.lost(reported, 1)
    for topic in (*ROUTES, *BETWEEN):
        stage = "intake" if topic in ROUTES else topic.reader
        monitor.lag(stage if stage != "intake" else intake_stage(topic), 0, 7, 0)
        assert sample("credence_lag_records", stage=stage, topic=topic.base, partition="0") == 7


def test_the_rules_and_bands_are_those_of_the_scoring_core() -> None:
    assert tuple(rule.name for rule in RULES) == FLAG_RULES
    assert len(metrics.GROWTHS) == len(BOUNDS) + 1


@pytest.mark.parametrize("role", metrics.Role)
def test_a_process_serves_what_it_knows_and_counters_from_its_start(role: metrics.Role) -> None:
    found = served(f"metrics.begin(metrics.Role.{role.name})")
    known = {metric.name for metric in metrics.ALL if role in metric.known_by}
    names = set(re.findall(r"^# TYPE (credence_\w+)", found, re.MULTILINE))
    assert {name.removesuffix("_total") for name in names} == {name.removesuffix("_total") for name in known}
    for metric in metrics.ALL:
        if role in metric.known_by and metric.kind == "counter":
            assert re.search(rf"^{metric.name}[ {{]", found, re.MULTILINE), metric.name
    assert f'role="{role}"' in found
    assert re.search(r'^credence_memory_bytes\{process="itself"\} [1-9]', found, re.MULTILINE)
    assert "process_start_time_seconds" in found
    strange = {stage for stage in metrics.STAGES if f'stage="{stage}"' in found} - {*STAGES_OF[role]}
    assert not strange


def served(begin: str) -> str:
    """What a process of its own serves that has begun so: what tests counted before is not in it."""
    script = f"from streams.contract import metrics; {begin}; print(metrics.SERVED.exposition().decode())"
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout


def test_labels_of_one_name_have_one_set_of_values_so_that_metrics_join() -> None:
    for label in ("stage", "rule", "risk"):
        sets = [set(metric.labels[label]) for metric in metrics.ALL if label in metric.labels]
        assert all(each <= max(sets, key=len) for each in sets), label


@pytest.mark.parametrize(
    ("share", "enough", "reading"),
    [(0.5, False, "not enough evidence"), (0.1, True, "low"), (0.5, True, "middle"), (0.9, True, "high")],
)
def test_scores_are_counted_by_how_they_read(share: float, enough: bool, reading: str) -> None:
    assert metrics.band(share, enough) == reading


def test_lag_in_seconds_grows_by_itself_while_a_stage_is_stuck_and_is_zero_at_the_end() -> None:
    place = {"stage": "claims", "topic": BY_CLAIM.base, "partition": "3"}
    monitor.lag("claims", 3, 5, int(time.time() * 1000) - 2_000)
    first = sample("credence_lag_seconds", **place)
    time.sleep(0.05)
    assert 2.0 <= first < sample("credence_lag_seconds", **place)
    monitor.lag("claims", 3, 0, 0)
    assert sample("credence_lag_seconds", **place) == 0.0
    monitor.lost("claims", 3)
    assert metrics.REGISTRY.get_sample_value("credence_lag_records", place) is None


def test_what_the_stages_report_arrives() -> None:
    monitor.taken_in(10, 9, [DeadLetterCode.ORPHAN], 0.25, 0.5, [Mend.CUT, Mend.CUT])
    arrived = [int(time.time() * 1000) - 700]
    report = BatchReport(2, 40, apply_s=0.5, decode_s=0.125, changelog_s=2.0, changelog_bytes=7, arrived_ms=arrived)
    monitor.applied("sources", report)
    monitor.recovered("sources", 1.5, 100)
    assert sample("credence_records_total", stage="intake") == 10
    assert sample("credence_dead_letters_total", stage="intake", code="orphan") == 1
    spent = {stage: {w: sample("credence_stage_seconds_total", stage=stage, work=w) for w in Work} for stage in STAGES}
    assert spent["intake"] == dict.fromkeys(Work, 0.0) | {"decode": 0.25, "outbox": 0.5}
    assert spent["sources"] == dict.fromkeys(Work, 0.0) | {"decode": 0.125, "score": 0.375, "changelog": 2.0}
    assert sample("credence_freshness_seconds_bucket", stage="sources", le="0.5") == 0
    assert sample("credence_freshness_seconds_count", stage="sources") == 1
    assert sample("credence_mended_total", fault="cut") == 2
    assert sample("credence_rows_total", stage="sources") == 40
    assert sample("credence_batch_seconds_sum", stage="sources", step="apply") == 0.5
    assert sample("credence_recovered_rows_total", stage="sources") == 100


def test_the_delay_of_a_flag_is_event_time_since_the_first_post() -> None:
    flag = {"action": "raise", "severity": "high", "event_time_ms": 3_600_000, "subject": {"id": "a"}}
    score = {"score": 0.2, "low": 0.1, "high": 0.3, "verdict": None, "first_event_ms": 0}
    before = sample("credence_flag_delay_seconds_sum")
    monitor.flagged([flag, flag | {"action": "update"}], {"a": score})
    assert sample("credence_flag_delay_seconds_sum") - before == 3_600
    assert sample("credence_flags_total", action="raise", severity="high") == 1


def test_a_flag_that_a_verdict_ends_counts_by_rule_and_verdict_and_every_end_by_its_reason() -> None:
    flag = {"action": "retract", "severity": "low", "subject": {"id": "a"}, "rule_id": f"{FLAG_RULES[0]}/1"}
    labels = [{"because": "settled"}, {"because": "risk-fell"}, {"rule": FLAG_RULES[0], "verdict": "false"}]
    names = ("credence_flags_retracted_total", "credence_flags_retracted_total", "credence_flags_ruled_total")
    before = [sample(name, **each) for name, each in zip(names, labels, strict=True)]
    monitor.flagged([flag | {"retracted_because": "settled"}], {"a": {"verdict": "false"}})
    monitor.flagged([flag | {"retracted_because": "risk-fell"}], {"a": {"verdict": None}})
    after = [sample(name, **each) for name, each in zip(names, labels, strict=True)]
    assert [b - a for a, b in zip(before, after, strict=True)] == [1, 1, 1]


def test_what_the_risk_expected_stands_beside_what_verdicts_found() -> None:
    def counts(risk: str) -> list[float]:
        return [sample(f"credence_settled_{what}_total", risk=risk) for what in ("claims", "expected", "false")]

    before = {risk: counts(risk) for risk in metrics.RISKS}
    monitor.settled([(0.25, False), (0.375, True), (1.0, True), (0.0, False)])
    grown = {risk: [b - a for a, b in zip(before[risk], counts(risk), strict=True)] for risk in metrics.RISKS}
    assert grown["0.2-0.4"] == pytest.approx([2, 0.625, 1])
    assert grown["0.8-1.0"] == pytest.approx([1, 1.0, 1])
    assert grown["0.0-0.2"] == pytest.approx([1, 0.0, 0])


def test_the_partitions_of_a_process_are_counted_together_and_their_switches_told() -> None:
    one = Census(5, (2, 2, 1, 0), Counter({FLAG_RULES[0]: 3}), {"paused": 1.0, "killed": 0.0})
    monitor.counted("claims", 100, [one, one])
    assert sample("credence_open_claims") == 10
    assert [sample("credence_rising_claims", growth=growth) for growth in metrics.GROWTHS] == [4, 4, 2, 0]
    assert sample("credence_standing_flags", rule=FLAG_RULES[0]) == 6
    assert sample("credence_flags_switched_ratio", switch="paused") == 1
    assert sample("credence_state_rows", stage="claims") == 100
    monitor.counted("claims", 0, [])
    assert sample("credence_open_claims") == 0


def test_the_share_of_the_busiest_rater_is_told_without_a_name() -> None:
    monitor.ruled({}, ["desk"] * 900, ["north"] * 450 + [""] * 450)
    monitor.ruled({}, ["desk"] * 100 + [f"r{n}" for n in range(200)], ["north"] * 100 + [f"c{n}" for n in range(200)])
    assert sample("credence_ruling_window_rulings") == 300
    assert sample("credence_ruling_share_ratio", of="rater") == pytest.approx(1 / 3)
    assert sample("credence_ruling_share_ratio", of="community") == pytest.approx(1 / 3)
    assert b"desk" not in metrics.SERVED.exposition()


def test_scores_are_counted_as_a_person_would_read_them() -> None:
    def count() -> dict[str, float]:
        return {band: sample("credence_scores_total", subject="claim", band=band) for band in Band}

    before = count()
    clear = [{"score": share, "low": share, "high": share, "verdict": None} for share in (0.1, 0.4, 0.6, 0.7, 0.9)]
    vague = {"score": 0.1, "low": 0.0, "high": 1.0, "verdict": None}
    monitor.scored("claim", [*clear, vague])
    grown = {band: n - before[band] for band, n in count().items()}
    assert grown == {Band.LOW: 1, Band.MIDDLE: 2, Band.HIGH: 2, Band.UNKNOWN: 1}


def test_metrics_are_served_over_http_even_when_the_port_is_taken() -> None:
    first = metrics.SERVED.over_http("127.0.0.1", 0)
    second = metrics.SERVED.over_http("127.0.0.1", first)
    assert first != second
    with urllib.request.urlopen(f"http://127.0.0.1:{second}/metrics", timeout=5) as answer:
        assert b"credence_flag_delay_seconds_bucket" in answer.read()
