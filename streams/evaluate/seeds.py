"""The same evaluation over several seeds: for every figure its mean, and a 90 % interval of that mean."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from rich.table import Table

from streams.evaluate.evaluation import Options, Progress, evaluate, load

# Student's t, 95th percentile, by degrees of freedom; beyond ten the normal's with a correction of its first order.
_T = (6.314, 2.920, 2.353, 2.132, 2.015, 1.943, 1.895, 1.860, 1.833, 1.812)


def over_seeds(
    name: str, options: Options, seeds: int, progress: Progress = lambda what, done, of: None
) -> dict[str, Any]:
    """Evaluate with seeds `options.seed`, and so on, of the world, the attack and the bootstrap.

    Returns:
        the report of `evaluate` with {"mean", "low", "high", "values"} in place of every number, and "seeds".
    """
    reports = []
    for seed in range(options.seed, options.seed + seeds):

        def tell(what: str, done: int, of: int, seed: int = seed) -> None:
            progress(f"seed {seed} · {what}", done, of)

        reports.append(evaluate(load(name, seed, options.labels), replace(options, seed=seed), tell).report)
    return {**pooled(reports), "seeds": list(range(options.seed, options.seed + seeds))}


def pooled(values: Sequence[Any]) -> Any:
    """Reports as one, number by number; what is no number, or not the same in all, is the first one's.

    >>> pooled([{"auc": 0.7, "name": "x"}, {"auc": 0.8, "name": "x"}])["auc"]["mean"]
    0.75
    """
    first = values[0]
    if isinstance(first, dict):
        return {key: pooled([v[key] for v in values]) for key in first if all(key in v for v in values)}
    if any(isinstance(v, bool) or not isinstance(v, int | float) for v in values):
        return first
    low, high = interval([float(v) for v in values])
    return {"mean": round(math.fsum(values) / len(values), 12), "low": low, "high": high, "values": list(values)}


def interval(values: Sequence[float]) -> tuple[float, float]:
    """90 % interval of the mean of independent values, by Student's t; the value itself where there is one.

    >>> [round(end, 3) for end in interval([0.7, 0.8])]
    [0.434, 1.066]
    """
    n = len(values)
    mean = math.fsum(values) / n
    if n == 1:
        return mean, mean
    t = _T[n - 2] if n - 2 < len(_T) else 1.645 * (1 + 0.93 / (n - 1))
    half = t * math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (n - 1) / n)
    return mean - half, mean + half


def table(report: dict[str, Any]) -> Table:
    """AUC of every scorer, and what an attack took of it, mean ± half the interval."""
    attack = report.get("attack")
    shown = Table(title=f"{report['set']}: mean over seeds {report['seeds']}, ± half of a 90 % interval")
    shown.add_column("scorer")
    columns = ["AUC", "AUC within", *(["lost", "on attacked"] if attack else [])]
    for horizon in report["ours"]:
        for name in columns:
            shown.add_column(f"{name} {horizon}", justify="right")
    rows = [("ours (risk)", "ours"), ("ours (score)", "score"), *((b, b) for b in report["baselines"])]
    for title, key in rows:
        part = report[key] if key in ("ours", "score") else report["baselines"][key]
        cells = []
        for horizon, row in part.items():
            cells += [_figure(row["auc"]), _figure(row["auc_within"])]
            if attack:
                cost = (attack[key] if key in ("ours", "score") else attack["baselines"][key])[horizon]
                cells += [_figure(cost["auc_lost"]), _figure(cost["auc_on_attacked"])]
        shown.add_row(title, *cells)
    if attack:
        shown.caption = f"attacked claims pushed over a score of .5: {_figure(attack['share_pushed_over'])}"
    return shown


def _figure(value: Any) -> str:
    if not isinstance(value, dict):
        return "–"
    return f"{value['mean']:.3f} ±{(value['high'] - value['low']) / 2:.3f}"
