"""docs/performance.md, made of what `credence bench` measured.

Each row names the run that it comes from, and all runs are listed below, the latest first. A run that leaves something
out, such as the recovery, leaves its row as it was.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import psutil

HEAD = """# How fast it is

Written by `credence bench --write docs/performance.md`; do not edit. One worker on a machine that it shares with the
broker and whatever else runs. Machines are noisy: run it on yours, and believe the ratios. Figures of rounds are the
median, with the lowest and the highest. Where the time goes, before and after: [lab-notes.md](lab-notes.md), Speed.

Targets: a ratio of .5; 100 times textbook Faust; the core alone a million events/s; at 1,000 events/s p50 80 ms and p99
200 ms, at half of the maximum p99 250 ms; a verdict all the way round in 150 ms; CPU of worker and child at 100, 1,000
and 5,000 events/s 25, 30 and 45 % of a core, of the broker 20, 20 and 25 %, with nothing to do worker 3 %, communities
2 %, broker 8 %; a source with five open claims in 700 bytes, a participant in 250, a claim in 650; a million sources
recovered in 3.7 s; a worker ready in 5 s.
Of the query service with 100,000 claims (`credence bench api --write docs/performance.md`): 3,000 reads/s at a p99 of
5 ms, batches at 50 ms; a million claims ready within 10 s of a restart. Of its pages (`credence bench pages --write
docs/performance.md`), with 100,000 claims: p95 300 ms.

| what | figure | run |
| --- | --- | --- |
"""
RUNS = "\n## Runs\n\n"


class Row(NamedTuple):
    """A row of the table: what was measured, the figure, and the run it comes from."""

    what: str
    figure: str
    run: str


def _rounds(result: Mapping[str, Any], median: str, each: str, unit: str, digits: int = 0) -> str | None:
    if median not in result:
        return None
    low, high = min(result["rounds"][each]), max(result["rounds"][each])
    return f"{result[median]:,.{digits}f}{unit} ({low:,.{digits}f} to {high:,.{digits}f})"


def _latency(result: Mapping[str, Any]) -> str | None:
    told = [
        f"p50 {late['p50']:,.0f} ms, p99 {late['p99']:,.0f} ms at {int(rate):,} events/s"
        for rate, found in result.get("steady", {}).items()
        if (late := found.get("latency_ms"))
    ]
    return "; ".join(told) or None


def _cpu(result: Mapping[str, Any]) -> str | None:
    told = [
        f"{_of_cores(found)} {f'at {int(rate):,} events/s' if int(rate) else 'with nothing to do'}"
        for rate, found in result.get("steady", {}).items()
    ]
    return "; ".join(told) or None


def _of_cores(found: Mapping[str, Any]) -> str:
    told = [f"{name} {share:,.0f} %" for name, share in found["cpu_percent"].items()]
    return ", ".join(told + [f"{name} ended by itself" for name in found.get("ended", ())])


def _round_trip(result: Mapping[str, Any]) -> str | None:
    if not (took := result.get("round_trip_ms")):
        return None
    return f"p50 {took['p50']:,.0f} ms, p99 {took['p99']:,.0f} ms"


def _half(result: Mapping[str, Any]) -> str | None:
    if not (found := result.get("half")):
        return None
    late = found["latency_ms"]
    return (
        f"p50 {late['p50']:,.0f} ms, p99 {late['p99']:,.0f} ms at {found['rate']:,} events/s for"
        f" {found['minutes']:g} minutes; {_of_cores(found)}"
    )


def _core(result: Mapping[str, Any]) -> str | None:
    found = result.get("core")
    return found and f"{found['events_per_s']:,} events/s, in blocks of {found['rows']:,}"


def _recovery(result: Mapping[str, Any]) -> str | None:
    found = result.get("recovery")
    return (
        found and f"{found['seconds']:.1f} s for {found['sources']:,.0f}, {found['bytes_per_source']:,.0f} bytes each"
    )


def _memory(result: Mapping[str, Any]) -> str | None:
    if "bytes_per_source" not in result:
        return None
    sizes = [f"{result[f'bytes_per_{name}']:,} bytes a {name}" for name in ("source", "claim", "participant")]
    return ", ".join(sizes)


def _reads(result: Mapping[str, Any]) -> str | None:
    if not (api := result.get("api")):
        return None
    one = api["single"]
    return (
        f"p50 {one['p50_ms']:.2f} ms, p99 {one['p99_ms']:.2f} ms at {one['per_s']:,} reads/s of {api['keys']:,} claims;"
        f" {one['per_second_of_cpu']:,} reads a second of CPU"
    )


def _batches(result: Mapping[str, Any]) -> str | None:
    if not (api := result.get("api")):
        return None
    many = api["batch_of_1000"]
    return f"p99 {many['p99_ms']:.0f} ms at {many['per_s']:,} batches/s"


def _pages(result: Mapping[str, Any]) -> str | None:
    if not (found := result.get("pages")):
        return None
    told = [
        f"{name} p50 {found[name]['p50_ms']:.0f} ms, p95 {found[name]['p95_ms']:.0f} ms"
        for name in ("front", "queue", "claim")
    ]
    return f"{'; '.join(told)}, at {found['rate']:g} pages/s of {found['keys']:,} claims and {found['flags']:,} flags"


def _restart(result: Mapping[str, Any]) -> str | None:
    found = result.get("api", {}).get("restart")
    return found and (
        f"{found['after_a_restart_s']:.1f} s for {found['keys']:,} claims ({found['from_the_topics_s']:.1f} s from the"
        " topics alone)"
    )


FIGURES: dict[str, Callable[[Mapping[str, Any]], str | None]] = {
    "whole path with verdicts, until the last score is acknowledged": lambda r: _rounds(
        r, "events_per_s", "path", " events/s"
    ),
    "ceiling: fetch and parse the same events, nothing else": lambda r: _rounds(
        r, "ceiling_events_per_s", "ceiling", " events/s"
    ),
    "ratio of the two": lambda r: _rounds(r, "ratio", "ratio", "", 3),
    "textbook Faust: one Table update and one output an event": lambda r: _rounds(
        r, "idiomatic_faust_events_per_s", "idiomatic", " events/s"
    ),
    "the whole path against textbook Faust": lambda r: (
        f"{r['times_idiomatic_faust']:.0f} times" if "times_idiomatic_faust" in r else None
    ),
    "the core alone: all stages with verdicts, on one core": _core,
    "latency, event to published score": _latency,
    "latency and CPU at half of the maximum rate": _half,
    "a verdict all the way round: until another claim of a credited source has its new score": _round_trip,
    "CPU, of a core": _cpu,
    "recovery of sources with five open claims each": _recovery,
    "worker ready, with compiled code kept": lambda r: (
        f"{r['worker_ready_s']:.1f} s" if "worker_ready_s" in r else None
    ),
    "memory (a source with five open claims)": _memory,
    "query service: single reads beside a worker": _reads,
    "query service: batches of 1,000 claims": _batches,
    "query service: ready after a restart": _restart,
    "pages, beside a worker": _pages,
}


def rows_of(page: str) -> dict[str, Row]:
    """The rows that a page holds, by what was measured."""
    found = [Row(*cells) for cells in re.findall(r"^\| (.+?) \| (.+?) \| (.+?) \|$", page, re.M)]
    return {row.what: row for row in found if row.what in FIGURES}


def whole(rows: Iterable[Row], runs: Sequence[str]) -> str:
    """The page with these rows and lines about runs."""
    return HEAD + "".join(f"| {' | '.join(row)} |\n" for row in rows) + RUNS + "\n".join(runs) + "\n"


def replaced(page: str, result: Mapping[str, Any], name: str, command: str) -> str:
    """A page ("" where there is none) with the figures of a run of that name."""
    rows, runs = rows_of(page), re.findall(r"^- .+$", page, re.M)
    told = {what: figure(result) for what, figure in FIGURES.items()}
    rows |= {what: Row(what, figure, name) for what, figure in told.items() if figure is not None}
    ratio = f"; ratio {told['ratio of the two']}" if told["ratio of the two"] else ""
    run = f"- {name}: `{command}`, {machine()}{ratio}"
    return whole((rows[what] for what in FIGURES if what in rows), [run, *runs])


def machine() -> str:
    """The machine, in a few words."""
    gib = psutil.virtual_memory().total / 2**30
    return f"{psutil.cpu_count()} cores, {gib:.0f} GiB, {platform.machine()}, Python {platform.python_version()}"


def write(path: Path, result: Mapping[str, Any], name: str, command: str) -> None:
    """Put the figures of a run onto the page."""
    path.write_text(replaced(path.read_text("utf-8") if path.exists() else "", result, name, command), "utf-8")
