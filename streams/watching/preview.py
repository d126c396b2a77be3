"""Pictures of the dashboards, drawn from the same queries: previews, for no Grafana draws them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from streams.watching.checks import Series, shown
from streams.watching.panel import Board, Panel

COLUMNS = 24
INCHES, ROW_INCHES = 18.0, 2.9
FIGURE_LINES = 12  # a legend of more lines hides what it explains
UNITS = {"percentunit": "share", "s": "s", "bytes": "bytes", "ops": "a second", "short": ""}


def draw(url: str, board: Board, start_s: float, end_s: float, path: Path) -> None:
    """Write a picture of a dashboard over a time. Needs matplotlib (the extra "plot")."""
    import matplotlib  # type: ignore[import-not-found,unused-ignore]

    matplotlib.use("Agg")
    from matplotlib import pyplot

    lines = _lines(board)
    heights = [0.55 if all(panel.kind == "number" for panel in line) else 1.0 for line in lines]
    tall = ROW_INCHES * sum(heights) + 1.2
    figure = pyplot.figure(figsize=(INCHES, tall))
    title = f"{board.title}: a preview, drawn with matplotlib from a run of the demo and not by Grafana"
    figure.suptitle(title, fontsize=11, x=0.04, y=1 - 0.3 / tall, ha="left")
    grid = figure.add_gridspec(
        len(lines), COLUMNS, height_ratios=heights,
        left=0.05, right=0.985, bottom=0.4 / tall, top=1 - 0.9 / tall, hspace=0.45, wspace=2.2,
    )  # fmt: skip
    for row, line in enumerate(lines):
        left = 0
        for panel in line:
            axes = figure.add_subplot(grid[row, left : left + panel.width])
            _draw(axes, panel, shown(url, panel, start_s, end_s))
            left += panel.width
    figure.savefig(path, dpi=70)
    pyplot.close(figure)


def _lines(board: Board) -> list[list[Panel]]:
    lines: list[list[Panel]] = []
    for _, panels in board.rows:
        lines.append([])
        for panel in panels:
            if sum(each.width for each in lines[-1]) + panel.width > COLUMNS:
                lines.append([])
            lines[-1].append(panel)
    return lines


def _draw(axes: Any, panel: Panel, found: list[tuple[str, Series]]) -> None:
    axes.set_title(panel.title, fontsize=8, loc="left")
    axes.tick_params(labelsize=7)
    series = [(_named(legend, labels), points) for legend, part in found for labels, points in part]
    if panel.kind == "number":
        axes.axis("off")
        axes.text(0.0, 0.2, _number(series[0][1][-1][1], panel.unit) if series else "–", fontsize=20)
        return
    if panel.kind == "bars":
        axes.barh([name or "all" for name, _ in series], [points[-1][1] for _, points in series])
        return
    from matplotlib.dates import DateFormatter  # type: ignore[import-not-found,unused-ignore]
    from matplotlib.ticker import MaxNLocator  # type: ignore[import-not-found,unused-ignore]

    axes.set_ylabel(UNITS.get(panel.unit, ""), fontsize=7)
    bottom: dict[float, float] = {}
    for name, points in series:
        times = [datetime.fromtimestamp(t, UTC) for t, _ in points]
        if panel.kind == "areas":
            low = [bottom.get(t, 0.0) for t, _ in points]
            high = [at + v for at, (_, v) in zip(low, points, strict=True)]
            axes.fill_between(times, low, high, label=name, alpha=0.6)
            bottom |= {t: y for (t, _), y in zip(points, high, strict=True)}
        else:
            axes.plot(times, [v for _, v in points], label=name, linewidth=1)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.set_major_formatter(DateFormatter("%H:%M:%S"))  # type: ignore[no-untyped-call,unused-ignore]
    if 1 < len(series) <= FIGURE_LINES:
        axes.legend(fontsize=6, loc="upper left")


def _named(legend: str, labels: dict[str, str]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda m: labels.get(m[1], ""), legend)


def _number(value: float, unit: str) -> str:
    if unit == "percentunit":
        return f"{value:.0%}"
    return f"{value:,.1f} s" if unit == "s" else f"{value:,.0f}"
