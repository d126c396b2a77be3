"""Asks a Prometheus what the dashboards would show: which panels are empty, and which alerts have fired."""

from __future__ import annotations

import math
import time
import urllib.parse
from collections import Counter
from dataclasses import dataclass, field

import orjson

from streams.watching.panel import Board, Panel, scoped
from streams.watching.panels import BOARDS
from streams.watching.samples import ask

WINDOW_S = 30
Series = list[tuple[dict[str, str], list[tuple[float, float]]]]


@dataclass
class Checked:
    """What was found.

    Attributes:
        panels: how many were asked.
        empty: those of which a query has nothing to show, as "dashboard: panel".
        fired: how often each alert began to fire.
    """

    panels: int = 0
    empty: list[str] = field(default_factory=list)
    fired: Counter[str] = field(default_factory=Counter)

    def alerts(self) -> str:
        """Alerts that fired, as a person reads them."""
        return ", ".join(f"{name} {count} ×" for name, count in sorted(self.fired.items())) or "none"

    def as_dict(self) -> dict[str, object]:
        """As JSON has it."""
        return {"panels": self.panels, "empty": self.empty, "alerts": dict(self.fired)}


def ask_range(url: str, expr: str, start_s: float, end_s: float, step_s: float) -> Series:
    """Series of an expression over a time: labels, and points (time, value). Raises NotThereError."""
    asked = urllib.parse.urlencode({"query": expr, "start": start_s, "end": end_s, "step": step_s})
    answer = orjson.loads(ask(f"{url}/api/v1/query_range?{asked}"))
    return [(each["metric"], [(t, float(v)) for t, v in each["values"]]) for each in answer["data"]["result"]]


def shown(url: str, panel: Panel, start_s: float, end_s: float, points: int = 120) -> list[tuple[str, Series]]:
    """What a panel shows over a time: of each query its legend and its series, without what is no number."""
    step_s = max((end_s - start_s) / points, 1.0)
    found = []
    for expr, legend in panel.queries:
        asked = scoped(expr).replace("$__rate_interval", f"{WINDOW_S}s")
        asked = asked.replace("$namespace", ".*").replace("$instance", ".*")
        series = [
            (labels, [(t, v) for t, v in values if math.isfinite(v)])
            for labels, values in ask_range(url, asked, start_s, end_s, step_s)
        ]
        found.append((legend, [(labels, values) for labels, values in series if values]))
    return found


def check(url: str, start_s: float, boards: tuple[Board, ...] = BOARDS) -> Checked:
    """Run every query of every panel over the time since `start_s`, and count alerts."""
    checked, end_s = Checked(), time.time()
    for board in boards:
        for panel in board.panels():
            checked.panels += 1
            if not all(series for _, series in shown(url, panel, start_s, end_s)):
                checked.empty.append(f"{board.title}: {panel.title}")
    checked.fired = fired(url, start_s, end_s)
    return checked


def fired(url: str, start_s: float, end_s: float) -> Counter[str]:
    """How often each alert began to fire; between two times there must be five seconds of silence."""
    found: Counter[str] = Counter()
    step_s = max(1.0, (end_s - start_s) / 10_000)
    for labels, points in ask_range(url, 'max by (alertname) (ALERTS{alertstate="firing"})', start_s, end_s, step_s):
        before = float("-inf")
        for at_s, _ in points:
            found[labels["alertname"]] += at_s - before > 5 * step_s
            before = at_s
    return found
