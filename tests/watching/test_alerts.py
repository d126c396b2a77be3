"""Every alert fires when it should and is silent when not, in Prometheus' own rule engine."""

from __future__ import annotations

import json
import re
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from streams.contract import metrics
from streams.watching import rules
from streams.watching.alerts import ALERTS, RECORDINGS
from tests.watching.tools import needs_prometheus

Series = dict[str, str]
DAY = 288  # steps of five minutes


@dataclass(frozen=True)
class Case:
    """Series that make an alert fire and others that do not, and when to look.

    Attributes:
        at: when it is looked at.
        every: between two values of a series, and between two evaluations.
        fires: how many series of the alert.
    """

    firing: Series
    silent: Series
    at: str
    every: str = "1m"
    fires: int = 1


def freshness(slow_every: int, steps: int) -> Series:
    """Per step 100 blocks, `slow_every` of them slow."""
    name = "credence_freshness_seconds"
    fast = f"0+{100 - slow_every}x{steps}"
    return {f'{name}_count{{stage="claims"}}': f"0+100x{steps}", f'{name}_bucket{{stage="claims",le="5.0"}}': fast}


def flags_per_event(raised: str, events: str) -> Series:
    return {
        'credence_flags_total{action="raise",severity="low"}': raised,
        'credence_rows_total{stage="intake"}': events,
        'credence_flags_switched_ratio{switch="paused"}': "0x4000",
    }


def settled(expected: str, false: str, of: str) -> Series:
    names = {"expected": expected, "false": false, "claims": of}
    return {f'credence_settled_{name}_total{{risk="0.4-0.6"}}': values for name, values in names.items()}


def ruling_share(share: str, window: str = "300x2000") -> Series:
    return {'credence_ruling_share_ratio{of="rater"}': share, "credence_ruling_window_rulings": window}


def letters(letters_a_minute: int) -> Series:
    refused, read = f"0+{letters_a_minute}x30", "0+1000x30"
    return {
        'credence_dead_letters_total{stage="intake",code="not_json"}': refused,
        'credence_records_total{stage="intake"}': read,
    }


WORKER = '{job="credence-worker",instance="w1:9100"}'
CASES: dict[tuple[str, str], Case] = {
    ("CredenceFreshnessBurn", "1h"): Case(freshness(20, 90), freshness(10, 90), "80m"),
    ("CredenceFreshnessBurn", "6h"): Case(freshness(8, 2 * DAY), freshness(4, 2 * DAY), "10h", "5m"),
    ("CredenceFreshnessBurn", "1d"): Case(freshness(4, 2 * DAY), freshness(2, 2 * DAY), "30h", "5m"),
    ("CredenceFreshnessBurn", "3d"): Case(freshness(2, 5 * DAY), freshness(0, 5 * DAY), "84h", "5m"),
    ("CredenceLagHigh", ""): Case(
        {'credence_lag_seconds{stage="claims",topic="t",partition="0"}': "301x30"},
        {'credence_lag_seconds{stage="claims",topic="t",partition="0"}': "299x30"}, "15m",
    ),
    ("CredenceWorkerStalled", ""): Case(
        {f"credence_stalled_seconds{WORKER}": "0x5 25x5"}, {f"credence_stalled_seconds{WORKER}": "15x10"}, "7m",
    ),
    ("CredenceDown", ""): Case({f"up{WORKER}": "1x5 0x10"}, {f"up{WORKER}": "1 0 1 0 1 0 1 0 1 0 1"}, "9m"),
    ("CredenceWorkerRestarting", ""): Case(
        {f"process_start_time_seconds{WORKER}": "1 1 2 2 3 3 4 4 4 4"},
        {f"process_start_time_seconds{WORKER}": "1 1 2 2 2 2 2 2 2 2"}, "9m",
    ),
    ("CredencePartitionsUnowned", ""): Case(
        {'credence_owned_partitions{stage="claims"}': "3x20", "credence_installed_partitions": "4x20"},
        {'credence_owned_partitions{stage="claims"}': "4x20", "credence_installed_partitions": "4x20"}, "15m",
    ),
    ("CredenceRecoverySlow", ""): Case(
        {
            'credence_recovery_seconds_sum{stage="claims"}': "0x5 50x20",
            'credence_recovery_seconds_count{stage="claims"}': "0x5 1x20",
        },
        {
            'credence_recovery_seconds_sum{stage="claims"}': "0x5 5x20",
            'credence_recovery_seconds_count{stage="claims"}': "0x5 1x20",
        }, "10m",
    ),
    ("CredenceInputLost", ""): Case(
        {'credence_input_cut_records_total{topic="social.events.v1"}': "0x5 7x20"},
        {'credence_input_cut_records_total{topic="social.events.v1"}': "0x30"}, "10m",
    ),
    ("CredenceDeadLetters", ""): Case(letters(30), letters(5), "20m"),
    ("CredenceApiStale", ""): Case(
        {f"credence_api_behind_seconds{WORKER}": "0x5 40x10"}, {f"credence_api_behind_seconds{WORKER}": "25x20"}, "9m",
    ),
    ("CredenceApiErrors", ""): Case(
        {
            'credence_api_requests_total{route="claims",status="5xx"}': "0+10x40",
            'credence_api_requests_total{route="claims",status="2xx"}': "0+100x40",
        },
        {
            'credence_api_requests_total{route="readyz",status="5xx"}': "0+10x40",
            'credence_api_requests_total{route="claims",status="2xx"}': "0+100x40",
        }, "30m",
    ),
    ("CredenceFlagRateHigh", ""): Case(
        # It begins without events: no flags per no events is no number, and must not be in the average.
        flags_per_event("0x20 0+3x120 360+60x30", "0x20 0+1000x200"),
        flags_per_event("0x20 0+3x200", "0x20 0+1000x200"), "155m",
    ),
    ("CredenceFlagRateLow", ""): Case(
        flags_per_event(f"7x{2 * DAY}", f"0+100x{2 * DAY}"), flags_per_event(f"0+1x{2 * DAY}", f"0+100x{2 * DAY}"),
        "30h", "5m",
    ),
    ("CredenceFlagsSwitchedOff", ""): Case(
        {'credence_flags_switched_ratio{switch="paused"}': f"1x{DAY}"},
        {'credence_flags_switched_ratio{switch="paused"}': f"1x100 0x5 1x{DAY}"}, "13h", "5m",
    ),
    ("CredenceFlagPrecisionLow", ""): Case(
        {
            'credence_flags_ruled_total{rule="risk-cascade",verdict="false"}': f"0+1x{DAY}",
            'credence_flags_ruled_total{rule="risk-cascade",verdict="true"}': f"0+1x{DAY}",
        },
        {
            'credence_flags_ruled_total{rule="risk-cascade",verdict="false"}': f"0+4x{DAY}",
            'credence_flags_ruled_total{rule="risk-cascade",verdict="true"}': f"0+1x{DAY}",
        }, "20h", "5m",
    ),
    ("CredenceCalibrationDrift", ""): Case(
        settled(f"0+0.3x{DAY}", f"0+0.6x{DAY}", f"0+1x{DAY}"),
        settled(f"0+0.5x{DAY}", f"0+0.6x{DAY}", f"0+1x{DAY}"), "20h", "5m",
    ),
    ("CredenceBaseRateDrift", ""): Case(
        settled(f"0+0.5x{8 * DAY}", f"0+0.5x{6 * DAY} {3 * DAY}+0.9x{2 * DAY}", f"0+1x{8 * DAY}"),
        settled(f"0+0.5x{8 * DAY}", f"0+0.5x{8 * DAY}", f"0+1x{8 * DAY}"), "180h", "5m",
    ),
    ("CredenceRulingsCaptured", ""): Case(
        ruling_share("0.3x200 0.9x200"), ruling_share("0.9x400"), "220m",
    ),
}  # fmt: skip


def test_every_alert_has_a_case_and_every_case_an_alert() -> None:
    assert CASES.keys() == {(alert.name, alert.window) for alert in ALERTS}
    assert max(Counter((alert.name, alert.window) for alert in ALERTS).values()) == 1


def rules_of(alert: str, window: str) -> dict[str, Any]:
    """A rule file with the alert and the recordings that it asks for: of all rules together promtool takes ten times as
    long over days of steps."""
    kept: list[dict[str, Any]] = []
    for group in reversed(rules.groups()["groups"]):  # a rule asks for recordings that stand before it
        for rule in reversed(group["rules"]):
            wanted = rule.get("alert") == alert and rule["labels"].get("window", "") == window
            if wanted or any("record" in rule and rule["record"] in each["expr"] for each in kept):
                kept.insert(0, rule)
    return {"groups": [{"name": "asked", "rules": kept}]}


@pytest.mark.parametrize("name", CASES, ids=lambda name: "-".join(filter(None, name)))
def test_an_alert_fires_when_it_should_and_is_silent_when_not(name: tuple[str, str], tmp_path: Path) -> None:
    needs_prometheus()
    case = CASES[name]
    (tmp_path / "rules.json").write_text(json.dumps(rules_of(*name)))
    window = f',window="{name[1]}"' if name[1] else ""
    asked = f'count(ALERTS{{alertname="{name[0]}",alertstate="firing"{window}}})'
    tests = [
        {
            "interval": case.every,
            "input_series": [{"series": series, "values": values} for series, values in said.items()],
            "promql_expr_test": [
                {
                    "expr": asked,
                    "eval_time": case.at,
                    "exp_samples": [{"labels": "{}", "value": case.fires}] if fires else [],
                }
            ],
        }
        for said, fires in ((case.firing, True), (case.silent, False))
    ]
    file = {"rule_files": ["rules.json"], "evaluation_interval": case.every, "tests": tests}
    (tmp_path / "test.json").write_text(json.dumps(file))
    ran = subprocess.run(["promtool", "test", "rules", "test.json"], cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_promtool_finds_nothing_to_say_about_the_rules(tmp_path: Path) -> None:
    needs_prometheus()
    for by in (1.0, 30.0):
        file = tmp_path / f"{by:g}.json"
        file.write_text(json.dumps(rules.groups(by)))
        ran = subprocess.run(
            ["promtool", "check", "rules", "--lint=all", "--lint-fatal", str(file)], capture_output=True, text=True
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_rules_are_committed_as_they_are_declared() -> None:
    assert rules.PATH.read_text() == rules.written(), "run: python -m streams.watching.rules"


def test_rules_ask_only_for_series_and_labels_that_exist() -> None:
    known = {metric.name: metric for metric in metrics.ALL}
    recorded = {each.name for each in RECORDINGS}
    for expr in [each.expr for each in (*RECORDINGS, *ALERTS)]:
        for name, labels in re.findall(r"\b(credence[_:]\w+(?::\w+)*)(\{[^{}]*=[^{}]*\})?", expr):
            base = re.sub(r"_(bucket|sum|count)$", "", name)
            assert name in known or base in known or name in recorded, name
            for label in re.findall(r"(\w+)=", labels):
                assert label in (*known[base if base in known else name].labels, "le"), (name, label)
