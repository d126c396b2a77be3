"""credence top: what the dashboards show, as a live table."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Annotated

import typer
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from streams.cli.console import foreseen, out, print_json
from streams.contract import metrics
from streams.contract.settings import Settings, SettingsError
from streams.watching.samples import NotThereError, Samples, of_processes, of_prometheus

MIB = 1 << 20


def top(
    urls: Annotated[
        list[str] | None,
        typer.Argument(metavar="[URL]...", help="Pages of metrics; else those of a worker and an api of this machine."),
    ] = None,
    prometheus: Annotated[
        str | None, typer.Option(metavar="URL", help="Ask this Prometheus for all processes instead.")
    ] = None,
    every_s: Annotated[float, typer.Option("--every", min=0.2, help="Seconds between two looks.")] = 2.0,
    once: Annotated[bool, typer.Option("--once", help="Look twice, print, and end.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As --once, as a JSON object.")] = False,
) -> None:
    """What the pipeline does now, how fresh scores are, what is rising, and how flags fare.

    Example: credence top http://worker-1:9100/metrics http://api:8080/metrics; credence top --prometheus http://prom:9090
    """
    with foreseen(NotThereError, SettingsError):
        look = _look(urls or [], prometheus)
        before = look()
        if len(before.silent) == len(urls or ()) + 2 * (not urls) and not prometheus:
            raise NotThereError("; ".join(before.silent))
        time.sleep(every_s)
        now = look()
        if once or as_json or not out.is_terminal:
            found = report(before, now, every_s)
            print_json(found) if as_json else out.print(drawn(found))
            return
        with Live(drawn(report(before, now, every_s)), console=out, auto_refresh=False) as screen:
            while True:
                before, now = now, _after(every_s, look)
                screen.update(drawn(report(before, now, every_s)), refresh=True)


def _after(pause_s: float, look: Callable[[], Samples]) -> Samples:
    time.sleep(pause_s)
    return look()


def _look(urls: list[str], prometheus: str | None) -> Callable[[], Samples]:
    if prometheus:
        return lambda: of_prometheus(prometheus)
    settings = Settings.from_env()
    own = [f"http://{settings.metrics_host}:{settings.metrics_port}", f"http://{settings.api_host}:{settings.api_port}"]
    asked = urls or [f"{each}/metrics" for each in own]
    return lambda: of_processes(asked)


def report(before: Samples, now: Samples, seconds: float) -> dict[str, dict[str, object]]:
    """What a person asks, from two looks so many seconds apart."""
    grown = now.since(before)
    seen = {labels["stage"] for labels, _ in now.each("credence_records_total")}
    right, wrong = (now.total("credence_flags_ruled_total", verdict=verdict) for verdict in ("false", "true"))
    found: dict[str, dict[str, object]] = {
        f"stage {stage}": _stage(stage, now, grown, seconds) for stage in metrics.STAGES if stage in seen
    }
    found["claims"] = {
        "open": int(now.total("credence_open_claims")),
        **{f"rising {g}": int(now.total("credence_rising_claims", growth=g)) for g in metrics.GROWTHS},
    }
    found["flags"] = {
        "standing": int(now.total("credence_standing_flags")),
        "raised": int(now.total("credence_flags_total", action="raise")),
        "right, of those ruled on": round(right / (right + wrong), 2) if right + wrong else "–",
        **{s: bool(now.highest("credence_flags_switched_ratio", switch=s)) for s in ("paused", "killed")},
    }
    found["processes"] = {
        labels["instance"]: f"{labels['role']} {_memory(now, labels['instance'])} MiB"
        for labels, _ in now.each("credence_build_info")
    }
    found["trouble"] = {
        "stalled s": round(now.highest("credence_stalled_seconds"), 1),
        "api behind s": round(now.highest("credence_api_behind_seconds"), 1),
        "dead letters": int(now.total("credence_dead_letters_total")),
        "input lost": int(now.total("credence_input_cut_records_total")),
        "no answer": "; ".join(now.silent) or "–",
    }
    return found


def _stage(stage: str, now: Samples, grown: Samples, seconds: float) -> dict[str, object]:
    """Of one stage: how much, how far behind, how fresh, and where its time went between the looks."""
    spent = {work: grown.total("credence_stage_seconds_total", stage=stage, work=work) for work in metrics.Work}
    whole = sum(spent.values()) or 1.0
    count = now.total("credence_freshness_seconds_count", stage=stage)
    fresh = now.total("credence_freshness_seconds_bucket", stage=stage, le="5.0")
    return {
        "rows/s": round(grown.total("credence_rows_total", stage=stage) / seconds, 1),
        "lag s": round(now.highest("credence_lag_seconds", stage=stage), 1),
        "within 5 s": f"{fresh / count:.1%}" if count else "–",
        **{str(work): f"{share / whole:.0%}" for work, share in spent.items()},
    }


def _memory(now: Samples, instance: str) -> int:
    return round(now.total("credence_memory_bytes", instance=instance) / MIB)


def drawn(found: dict[str, dict[str, object]]) -> Group:
    """The report as tables: one of the stages, then a line a question."""
    stages = {name.removeprefix("stage "): row for name, row in found.items() if name.startswith("stage ")}
    table = Table("stage", *next(iter(stages.values()), {}), box=None, pad_edge=False)
    for name, row in stages.items():
        table.add_row(name, *(str(value) for value in row.values()))
    lines = [
        Text(f"{name}: " + ", ".join(f"{key} {value}" for key, value in row.items()))
        for name, row in found.items()
        if not name.startswith("stage ")
    ]
    return Group(table, Text(), *lines)
