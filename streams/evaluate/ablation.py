"""How much each signal of the risk contributes: the evaluation again and again, with some signals switched off.

A signal is switched off by holding its weight at 0, as an operator may do. The other weights learn beside it as usual,
so this is not the same as a core that never had the signal. What keeps lies out can be held open beside: see `gates`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.table import Table

from streams.evaluate import gates
from streams.evaluate.cascades import CascadeSet
from streams.evaluate.evaluation import Options, Progress, as_asked, run_scorer
from streams.evaluate.gates import GATES
from streams.evaluate.measures import Judge
from streams.evaluate.protocol import Trial
from streams.scoring.signals.registry import SHADOW, SIGNALS

TOGETHER = "+"


def switched() -> tuple[str, ...]:
    """The signals that can be switched off: all that are not in shadow."""
    return tuple(name for name in SIGNALS if name not in SHADOW)


def parse(text: str) -> tuple[str, ...]:
    """What to switch off, one after the other: names with commas, and with + those that go together.

    Raises ValueError for a name that is none of `switched` and no gate.

    >>> parse("slow,history+history_30")
    ('slow', 'history+history_30')
    """
    asked = tuple(text.split(","))
    if unknown := [name for each in asked for name in each.split(TOGETHER) if name not in (*switched(), *GATES)]:
        raise ValueError(
            f"no signal {', '.join(unknown)} to switch off; there are {', '.join(switched())}, and the gates "
            f"{', '.join(GATES)}"
        )
    return asked


def opened(asked: Sequence[str]) -> tuple[str, ...]:
    """The gates that are held open in any of what is asked for, in the order of GATES.

    >>> opened(("slow+nets", "trust", "vote"))
    ('trust', 'nets')
    """
    named = {name for each in asked for name in each.split(TOGETHER)}
    return tuple(name for name in GATES if name in named)


def ablate(
    data: CascadeSet,
    options: Options,
    progress: Progress = lambda what, done, of: None,
    without: Sequence[str] | None = None,
) -> dict[str, Any]:
    """What is switched off → horizon → AUC within quarters, and what that loses; "all" holds everything.

    Args:
        without: what to switch off, see `parse`; each of `switched` by itself unless given.
    """
    data = as_asked(data, options)
    trial = Trial.of_set(data, options.horizons_ms, options.lag_ms, options.groups)
    judge = Judge(trial, options.seed)
    found: dict[str, Any] = {}
    for names in ("", *(switched() if without is None else without)):
        off = set(names.split(TOGETHER))
        core = gates.core(data, off & set(GATES), off & set(SIGNALS), options.prior)
        made = judge.by_horizon(run_scorer(trial, core, progress, options.jobs))
        found[names or "all"] = {h: {"auc_within": f["auc_within"], "auc": f["auc"]} for h, f in made.items()}
    for by_horizon in found.values():
        for horizon, figures in by_horizon.items():
            figures["lost"] = found["all"][horizon]["auc_within"] - figures["auc_within"]
    return found


def table(found: dict[str, Any], name: str) -> Table:
    """The ablation for a person."""
    shown = Table(title=f"{name}: the risk without some of its parts, AUC within quarters")
    shown.add_column("without")
    horizons = list(found["all"])
    for horizon in horizons:
        shown.add_column(horizon, justify="right")
        shown.add_column("lost", justify="right")
    for signal, by_horizon in found.items():
        cells = [f(by_horizon[h]) for h in horizons for f in (_within, _lost)]
        shown.add_row("– (all of it)" if signal == "all" else signal, *cells)
    return shown


def _within(figures: dict[str, float]) -> str:
    return f"{figures['auc_within']:.3f}"


def _lost(figures: dict[str, float]) -> str:
    return f"{figures['lost']:+.3f}"
