"""Recording and alert rules, each once. `rules` writes them as Prometheus reads them.

Windows stand in braces, `{5m}`, so that a trial run can shorten all of them together.

The objective of freshness: of the blocks of events and rulings, 99 % have their scores published within 5 s, over 30
days. Its burn rates and windows are those of the Site Reliability Workbook, chapter 5.
"""

from __future__ import annotations

from dataclasses import dataclass

OBJECTIVE = 0.99
FRESH_S = 5.0
JOBS = 'job=~"credence-.*"'
BURN_WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")


@dataclass(frozen=True)
class Recording:
    """A series that rules and dashboards share."""

    name: str
    expr: str


@dataclass(frozen=True)
class Alert:
    """An alert.

    Attributes:
        name: as its runbook.
        expr: when it is on.
        lasts: for how long before it fires.
        severity: critical wakes somebody, warning waits for the morning.
        summary, description: for who reads it; description may use {{ $value }}.
        window: of several rules of one name, which.
    """

    name: str
    expr: str
    lasts: str
    severity: str
    summary: str
    description: str
    window: str = ""


def _slow(window: str) -> Recording:
    of = 'credence_freshness_seconds_{0}{{stage="claims"{1}}}[{{{2}}}]'
    fresh, all_ = of.format("bucket", f',le="{FRESH_S}"', window), of.format("count", "", window)
    return Recording(f"credence:freshness_slow:ratio_rate{window}", f"1 - sum(rate({fresh})) / sum(rate({all_}))")


RECORDINGS = (
    *map(_slow, BURN_WINDOWS),
    Recording(
        "credence:flags_per_event:ratio_rate10m",
        'sum(rate(credence_flags_total{action="raise"}[{10m}]))'
        ' / (sum(rate(credence_rows_total{stage="intake"}[{10m}])) > 0)',  # no number would spoil every average
    ),
    Recording(
        "credence:flag_precision:ratio_increase1d",
        'sum(increase(credence_flags_ruled_total{verdict="false"}[{1d}]))'
        ' / sum(increase(credence_flags_ruled_total{verdict=~"true|false"}[{1d}]))',
    ),
    Recording(
        "credence:flag_precision_decided:ratio",
        'sum by (rule) (credence_judged_flags{judge="decisions",found="right"})'
        ' / (sum by (rule) (credence_judged_flags{judge="decisions"}) > 0)',
    ),
    Recording(
        "credence:calibration_gap:ratio_increase1d",
        "(sum(increase(credence_settled_false_total[{1d}])) - sum(increase(credence_settled_expected_total[{1d}])))"
        " / sum(increase(credence_settled_claims_total[{1d}]))",
    ),
    Recording(
        "credence:base_rate:ratio_increase1d",
        "sum(increase(credence_settled_false_total[{1d}])) / sum(increase(credence_settled_claims_total[{1d}]))",
    ),
    Recording(
        "credence:base_rate:ratio_increase7d",
        "sum(increase(credence_settled_false_total[{7d}])) / sum(increase(credence_settled_claims_total[{7d}]))",
    ),
)


def _burn(times: float, long: str, short: str, lasts: str, severity: str) -> Alert:
    bound = f"> {times:g} * {1 - OBJECTIVE:g}"
    series = "credence:freshness_slow:ratio_rate{0} {1}"
    return Alert(
        "CredenceFreshnessBurn",
        f"{series.format(long, bound)} and {series.format(short, bound)}",
        lasts, severity,
        f"Scores come late: the error budget of freshness burns {times:g} times too fast",
        f"{{{{ $value | humanizePercentage }}}} of the blocks of the last {long} took longer than {FRESH_S:g} s from "
        "Kafka to their scores; the objective allows 1 %.",
        window=long,
    )  # fmt: skip


PIPELINE = (
    _burn(14.4, "1h", "5m", "{2m}", "critical"),
    _burn(6, "6h", "30m", "{15m}", "critical"),
    _burn(3, "1d", "2h", "{1h}", "warning"),
    _burn(1, "3d", "6h", "{3h}", "warning"),
    Alert(
        "CredenceLagHigh", "max by (stage) (credence_lag_seconds) > 300", "{10m}", "warning",
        "Stage {{ $labels.stage }} is far behind",
        "The record that the stage is at is {{ $value | humanizeDuration }} old.",
    ),
    Alert(
        "CredenceWorkerStalled", "max by (job, instance) (credence_stalled_seconds) > 20", "0s", "critical",
        "{{ $labels.instance }} stands still with work to do",
        "For {{ $value | humanizeDuration }} a partition with work has not moved, Kafka not answered or the loop been "
        "blocked. After a minute the worker ends itself.",
    ),
    Alert(
        "CredenceDown", f"up{{{JOBS}}} == 0", "{2m}", "critical",
        "{{ $labels.job }} {{ $labels.instance }} does not answer",
        "Prometheus has had no answer from it for two minutes.",
    ),
    Alert(
        "CredenceWorkerRestarting", f"changes(process_start_time_seconds{{{JOBS}}}[{{15m}}]) > 2", "0s", "warning",
        "{{ $labels.instance }} starts again and again", "It started {{ $value }} times within 15 minutes.",
    ),
    Alert(
        "CredencePartitionsUnowned",
        "sum by (stage) (credence_owned_partitions) < on () group_left () max(credence_installed_partitions)",
        "{5m}", "critical",
        "Partitions of stage {{ $labels.stage }} belong to no process",
        "Only {{ $value }} partitions are held; what comes to the others waits.",
    ),
    Alert(
        "CredenceRecoverySlow",
        "sum by (stage) (increase(credence_recovery_seconds_sum[{15m}]))"
        " / sum by (stage) (increase(credence_recovery_seconds_count[{15m}])) > 30",
        "0s", "warning",
        "Recovery of stage {{ $labels.stage }} takes long",
        "A partition took {{ $value | humanizeDuration }} on average to read; its scores stood still meanwhile.",
    ),
    Alert(
        "CredenceInputLost", "sum by (topic) (increase(credence_input_cut_records_total[{1h}])) > 0", "0s", "critical",
        "Input of {{ $labels.topic }} was deleted before it was read",
        "{{ $value }} offsets are missing from every score, for good unless they are published again.",
    ),
    Alert(
        "CredenceDeadLetters",
        "sum(increase(credence_dead_letters_total[{10m}])) > 20 and sum(increase(credence_dead_letters_total[{10m}]))"
        ' > 0.01 * sum(increase(credence_records_total{stage="intake"}[{10m}]))',
        "0s", "warning",
        "Much of the input is refused",
        "{{ $value }} records became dead letters within 10 minutes, more than 1 % of the input.",
    ),
    Alert(
        "CredenceApiStale", "max by (job, instance) (credence_api_behind_seconds) > 30", "{1m}", "critical",
        "The query service answers with old scores",
        "{{ $labels.instance }} last held all that Kafka held {{ $value | humanizeDuration }} ago.",
    ),
    Alert(
        "CredenceApiErrors",
        'sum(rate(credence_api_requests_total{status="5xx",route!~"readyz|healthz"}[{10m}]))'
        ' > 0.01 * sum(rate(credence_api_requests_total{route!~"readyz|healthz"}[{10m}]))',
        "{5m}", "warning",
        "The query service fails", "{{ $value }} requests a second end with a fault of the service, more than 1 %.",
    ),
)  # fmt: skip
_SETTLED = "sum(increase(credence_settled_claims_total[{1d}])) > 50"
SCORING = (
    Alert(
        "CredenceFlagRateHigh",
        "credence:flags_per_event:ratio_rate10m > 4 * clamp_min("
        "avg_over_time(credence:flags_per_event:ratio_rate10m[{1d}] offset {30m}), 0.0001)"
        ' and sum(increase(credence_flags_total{action="raise"}[{10m}])) > 20',
        "0s", "warning",
        "A flood of flags", "{{ $value | humanizePercentage }} of events raise a flag, four times what is usual.",
    ),
    Alert(
        "CredenceFlagRateLow",
        'sum(increase(credence_flags_total{action="raise"}[{1d}])) == 0'
        ' and sum(increase(credence_rows_total{stage="intake"}[{1d}])) > 10000'
        " and max(credence_flags_switched_ratio) == 0",
        "{1h}", "warning",
        "No flags at all", "Events flow, flags are not switched off, and none was raised for a day.",
    ),
    Alert(
        "CredenceFlagsSwitchedOff", "max by (switch) (credence_flags_switched_ratio) == 1", "{12h}", "warning",
        "Flags have been {{ $labels.switch }} for half a day", "Nobody is told of falsehoods that spread.",
    ),
    Alert(
        "CredenceFlagPrecisionLow",
        "credence:flag_precision:ratio_increase1d < 0.7"
        ' and sum(increase(credence_flags_ruled_total{verdict=~"true|false"}[{1d}])) > 20',
        "{1h}", "warning",
        "Too many flags are wrong",
        "Of the flags that a verdict met today, {{ $value | humanizePercentage }} were right.",
    ),
    Alert(
        "CredenceCalibrationDrift", f"abs(credence:calibration_gap:ratio_increase1d) > 0.15 and {_SETTLED}",
        "{1h}", "warning",
        "The risk promises another share of falsehoods than verdicts find",
        "Found and expected differ by {{ $value | humanizePercentage }} of the settled claims.",
    ),
    Alert(
        "CredenceBaseRateDrift",
        f"abs(credence:base_rate:ratio_increase1d - credence:base_rate:ratio_increase7d) > 0.2 and {_SETTLED}",
        "{1h}", "warning",
        "What fact-checkers look at has changed",
        "The share of falsehoods among verdicts moved by {{ $value | humanizePercentage }} against the week.",
    ),
    Alert(
        "CredenceRulingsCaptured",
        "max by (of) (credence_ruling_share_ratio) > 0.6 and max by (of) (credence_ruling_share_ratio)"
        " - max by (of) (avg_over_time(credence_ruling_share_ratio[{1d}] offset {1h})) > 0.25"
        " and on () max(credence_ruling_window_rulings) >= 50",
        "{5m}", "critical",
        "One {{ $labels.of }} suddenly has most verdicts",
        "{{ $value | humanizePercentage }} of the latest rulings are of one {{ $labels.of }}: they teach all weights.",
    ),
)  # fmt: skip
ALERTS = (*PIPELINE, *SCORING)
