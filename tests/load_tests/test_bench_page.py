"""docs/performance.md is what `credence bench --write` makes of a run and of the page that was there."""

from __future__ import annotations

from typing import Any

from load_tests.bench.page import FIGURES, replaced, rows_of, whole
from load_tests.bench.throughput import Rates
from tests.house.rooms import ROOT

READS = {"p50_ms": 1.21, "p95_ms": 2.5, "p99_ms": 3.89, "per_s": 3_000, "per_second_of_cpu": 8_730}
API = {
    "keys": 100_000,
    "single": READS,
    "batch_of_1000": READS | {"p99_ms": 26.0, "per_s": 10},
    "restart": {"keys": 1_000_000, "from_the_topics_s": 33.8, "after_a_restart_s": 1.4, "megabytes": 700},
}
PAGES = {"keys": 100_000, "flags": 5_000, "rate": 5.0, "front": READS, "queue": READS, "claim": READS}
PAGE = ROOT / "docs" / "performance.md"


def result(**more: Any) -> dict[str, Any]:
    rates = Rates(path=[60_000.0, 70_000.0, 72_000.0], ceiling=[200_000.0] * 3, idiomatic=[1_000.0] * 3)
    return {
        "events_per_s": 70_000,
        "ceiling_events_per_s": 200_000,
        "ratio": rates.ratio(),
        "rounds": rates.each(),
        "bytes_per_source": 1_000,
        "bytes_per_claim": 600,
        "bytes_per_participant": 400,
        **more,
    }


def test_a_run_puts_its_figures_with_their_spread_onto_the_page() -> None:
    page = replaced("", result(), "abc, 2026-01-01", "credence bench")
    rows = rows_of(page)
    assert rows["ratio of the two"].figure == "0.350 (0.300 to 0.360)"
    assert rows["whole path with verdicts, until the last score is acknowledged"].figure == (
        "70,000 events/s (60,000 to 72,000)"
    )
    assert "- abc, 2026-01-01: `credence bench`" in page


def test_what_a_run_left_out_stays_with_its_own_run() -> None:
    recovery = {"seconds": 3.7, "sources": 1_000_000, "bytes_per_source": 842}
    cpu = {"worker": 12.4, "child": 1.0}
    busy = {"cpu_percent": cpu, "latency_ms": {"p50": 378.0, "p99": 614.0}}
    steady = {"steady": {"0": {"cpu_percent": cpu}, "1000": busy}, "worker_ready_s": 4.2}
    steady |= {"round_trip_ms": {"p50": 90.2, "p99": 120.9}}
    steady |= {"half": {"rate": 35_000, "minutes": 5.0, "ended": ["communities"], **busy}}
    steady |= {"core": {"events": 1_000, "rows": 4_096, "events_per_s": 400_000}}
    steady |= {"api": API, "pages": PAGES}
    full = result(recovery=recovery, **steady, idiomatic_faust_events_per_s=1_000, times_idiomatic_faust=70.0)
    first = replaced("", full, "first", "credence bench --recovery 1000000")
    assert list(rows_of(first)) == list(FIGURES)
    rows = rows_of(replaced(first, result(), "second", "credence bench"))
    assert rows["recovery of sources with five open claims each"].run == "first"
    assert rows["latency, event to published score"].figure == "p50 378 ms, p99 614 ms at 1,000 events/s"
    assert rows["CPU, of a core"].figure == (
        "worker 12 %, child 1 % with nothing to do; worker 12 %, child 1 % at 1,000 events/s"
    )
    assert rows["latency and CPU at half of the maximum rate"].figure == (
        "p50 378 ms, p99 614 ms at 35,000 events/s for 5 minutes; worker 12 %, child 1 %, communities ended by itself"
    )
    assert rows["ratio of the two"].run == "second"


def test_a_run_of_the_query_service_alone_adds_its_rows_and_leaves_the_others() -> None:
    first = replaced("", result(), "first", "credence bench")
    page = replaced(first, {"api": API}, "second", "credence bench api --restart-keys 1000000")
    rows = rows_of(page)
    assert rows["query service: single reads beside a worker"].figure == (
        "p50 1.21 ms, p99 3.89 ms at 3,000 reads/s of 100,000 claims; 8,730 reads a second of CPU"
    )
    assert rows["query service: ready after a restart"].figure == (
        "1.4 s for 1,000,000 claims (33.8 s from the topics alone)"
    )
    assert (rows["ratio of the two"].run, rows["query service: batches of 1,000 claims"].run) == ("first", "second")
    (run,) = (line for line in page.splitlines() if line.startswith("- second"))
    assert "ratio" not in run


def test_the_page_holds_nothing_but_what_is_generated() -> None:
    page = PAGE.read_text("utf-8")
    runs = [line for line in page.splitlines() if line.startswith("- ")]
    assert page == whole(rows_of(page).values(), runs)
    assert set(rows_of(page)) <= set(FIGURES)
