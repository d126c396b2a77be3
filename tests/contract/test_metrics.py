"""Metrics: declared once, closed label sets, and a lag that grows while nothing reports."""

from __future__ import annotations

import time
import urllib.request

import pytest

from streams.agents.intake.translation import ROUTES
from streams.agents.publish import monitor
from streams.contract import metrics
from streams.contract.metrics import Band
from streams.contract.settings import Settings
from streams.contract.words import DeadLetterCode, Mend
from streams.engine.stage import BatchReport
from streams.worker.stages import intake_stage, stage_specs


def sample(name: str, **labels: str) -> float:
    value = metrics.REGISTRY.get_sample_value(name, labels)
    return 0.0 if value is None else value


def test_every_metric_is_named_with_its_unit_and_documented() -> None:
    for metric in metrics.ALL:
        assert metric.name.startswith("credence_")
        assert metric.name.endswith(("_total", "_seconds", "_records", "_rows", "_ratio"))
        assert metric.name.endswith("_total") == (metric.kind == "counter")
        assert metric.doc.endswith(".")
    assert len({metric.name for metric in metrics.ALL}) == len(metrics.ALL)


def test_a_label_value_outside_the_closed_set_counts_as_other() -> None:
    metrics.DEAD_LETTERS.at("made-up-by-a-client").inc()
    assert sample("credence_dead_letters_total", code="other") == 1.0
    metrics.LAG_RECORDS.at("claims", "../etc").set(7)
    assert sample("credence_lag_records", stage="claims", partition="other") == 7.0
    metrics.LAG_RECORDS.forget("claims", "../etc")


def test_every_stage_reports_its_lag_under_its_own_name() -> None:
    reported = [*stage_specs(Settings(broker="none:1")), *(intake_stage(route) for route in ROUTES)]
    assert sorted(reported) == sorted(metrics.INPUTS)


@pytest.mark.parametrize(
    ("share", "enough", "reading"),
    [(0.5, False, "not enough evidence"), (0.1, True, "low"), (0.5, True, "middle"), (0.9, True, "high")],
)
def test_scores_are_counted_by_how_they_read(share: float, enough: bool, reading: str) -> None:
    assert metrics.band(share, enough) == reading


def test_lag_in_seconds_grows_by_itself_while_a_stage_is_stuck_and_is_zero_at_the_end() -> None:
    metrics.set_lag("claims", 3, 5, int(time.time() * 1000) - 2_000)
    first = sample("credence_lag_seconds", stage="claims", partition="3")
    time.sleep(0.05)
    assert 2.0 <= first < sample("credence_lag_seconds", stage="claims", partition="3")
    metrics.set_lag("claims", 3, 0, 0)
    assert sample("credence_lag_seconds", stage="claims", partition="3") == 0.0
    metrics.forget_partition("claims", 3)
    assert metrics.REGISTRY.get_sample_value("credence_lag_records", {"stage": "claims", "partition": "3"}) is None


def test_what_the_stages_report_arrives() -> None:
    monitor.taken_in(10, 9, [DeadLetterCode.ORPHAN], 0.01, [Mend.CUT, Mend.CUT])
    monitor.applied("sources", BatchReport(records=2, rows=40, apply_s=0.5, changelog_bytes=7))
    monitor.recovered("sources", 1.5, 100)
    assert sample("credence_records_total", stage="intake") == 10
    assert sample("credence_dead_letters_total", code="orphan") == 1
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
    first = metrics.serve("127.0.0.1", 0)
    second = metrics.serve("127.0.0.1", first)
    assert first != second
    with urllib.request.urlopen(f"http://127.0.0.1:{second}/metrics", timeout=5) as answer:
        assert b"credence_flag_delay_seconds_bucket" in answer.read()
