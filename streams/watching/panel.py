"""A panel and a board as they are declared, and how their queries are asked. `panels` declares them all."""

from __future__ import annotations

import re
from dataclasses import dataclass

RATE = "$__rate_interval"
_SERIES = re.compile(r"\b(credence_\w+|up|process_start_time_seconds)\b(\{([^}]*)\})?")
_SCOPE = 'namespace=~"$namespace",instance=~"$instance"'


@dataclass(frozen=True)
class Panel:
    """A panel.

    Attributes:
        title: what it answers.
        queries: (expression, legend) pairs.
        unit: as Grafana names it: short, s, percentunit, bytes, ops.
        kind: lines, areas (stacked), number or bars.
        width: of 24 columns.
    """

    title: str
    queries: tuple[tuple[str, str], ...]
    unit: str = "short"
    kind: str = "lines"
    width: int = 8


@dataclass(frozen=True)
class Board:
    """A dashboard: for whom, and its panels by row."""

    uid: str
    title: str
    description: str
    rows: tuple[tuple[str, tuple[Panel, ...]], ...]

    def panels(self) -> tuple[Panel, ...]:
        """All its panels, in order."""
        return tuple(panel for _, panels in self.rows for panel in panels)


def scoped(expr: str) -> str:
    """The expression, asked of the namespace and instance that the dashboard is set to.

    >>> scoped('sum(credence_open_claims)')
    'sum(credence_open_claims{namespace=~"$namespace",instance=~"$instance"})'
    """
    return _SERIES.sub(lambda m: f"{m[1]}{{{m[3] + ',' if m[3] else ''}{_SCOPE}}}", expr)


def one(expr: str, legend: str = "") -> tuple[tuple[str, str], ...]:
    """The queries of a panel that has a single one."""
    return ((expr, legend),)


def rate(name: str, by: str, labels: str = "") -> str:
    """A counter a second, by labels."""
    return f"sum by ({by}) (rate({name}{labels}[{RATE}]))"


def quantile(share: float, name: str, by: str = "") -> str:
    """A quantile of a histogram, by labels that begin with a comma."""
    return f"histogram_quantile({share}, sum by (le{by}) (rate({name}_bucket[{RATE}])))"
