"""Leaving sets out: what a set's figures are when the prior weights of the risk were fitted to the other sets alone.

    β_s = argmin Σ s·ℓ(logit p + x·β) over the lessons of one set, C_s the inverse of the second derivative there
    β   = argmin Σ sets (β_s − β)ᵀ (C_s + τ²·1)⁻¹ (β_s − β)/2 + β²/2        β ≥ 0 where theory gives the sign

x are the signals within their time and p the base rate of the latest verdicts, as the parameters stage learns from
them, ℓ the log loss of the verdict, s the lesson's weight. Streams differ: each has weights of its own, τ = .2 apart
from those of all streams, which are sought. So a large set counts hardly more than a small one, except for signals that
the small one cannot hear. The deviation of a weight around 0 is one nat a unit of its signal. The prior weights in
force are rounder, and were chosen with these sets in sight: the difference is what that choice may have been worth.

Source: logistic regression in each set, and random effects over them (DerSimonian & Laird 1986, with τ given); sign
constraints by projected Newton steps (Bertsekas 1982). Failure modes: sets of one platform and crawl say the same twice
(twitter15 and twitter16 share 169 roots), so that leaving one of them out leaves less out than it seems; a signal that
the others cannot hear stays at 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.table import Table

from streams.datasets.csv_files import find
from streams.evaluate.cascades import CascadeSet
from streams.evaluate.evaluation import Options, Progress, evaluate, load, run_scorer
from streams.evaluate.ours import Core
from streams.evaluate.protocol import Trial
from streams.scoring.numeric import Floats, logit, sigmoid
from streams.scoring.parameters.parameters_state import ANY_SIGN, IN_USE, SHARE, Learner
from streams.scoring.signals.registry import SIGNALS

WORLD = "synthetic:clean"  # teaches what stances mean, which most real sets do not hold
APART = 0.2  # τ, nats a unit of a signal
FAINT = 1e-3  # precision of a weight that a set says nothing of
STEPS, CLOSE = 60, 1e-7  # of Newton; where it ends, nats a unit
Derivatives = tuple[float, Floats, Floats]  # of a function of the weights: itself, its slope, its bend


class Lessons(Learner):
    """The parameters stage, which also writes down what it learned from: s, logit p, verdict and x of each lesson."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[Floats] = []

    def _fit(self, signals: Floats, age: int, false: bool) -> None:
        if not self._of:  # what is forgotten is learned a second time, apart
            usual = self._vector(f"recent/{age}", self._vector("mean", np.zeros(len(SIGNALS))))
            told = SHARE[age], float(logit(self._get("recent", 0.5))), float(false)
            self.rows.append(np.array([*told, *(signals - usual) * IN_USE]))
        super()._fit(signals, age, false)


def lessons(data: CascadeSet, options: Options, progress: Progress) -> Floats:
    """[lessons, 3 + signals] of a set, all verdicts released."""
    learner = Lessons()
    core = Core(data, learner=learner)
    run_scorer(Trial.of_set(data, (), options.lag_ms, "released"), core, progress, options.jobs)
    return np.stack(learner.rows)


def fit(sets: Sequence[Floats]) -> Floats:
    """[signals] weights of all streams, as far as the lessons of these sets tell, see above.

    >>> says = np.zeros((200, 3 + len(SIGNALS)))
    >>> says[:, 0], says[:, 2], says[:, 3] = 1.0, np.arange(200) % 4 > 0, np.where(np.arange(200) % 4 > 0, 1.0, -1.0)
    >>> says[:20, 2] = 1 - says[:20, 2]
    >>> fit([says, says])[:2].round(1).tolist()  # where the first signal is high, nine of ten verdicts were false
    [2.1, 0.0]
    """
    unit = np.eye(len(SIGNALS))
    free = np.ones(len(SIGNALS), bool)
    found = [_least(partial(_loss, rows), free) for rows in sets]
    known = [np.linalg.inv(np.linalg.inv(bend) + APART**2 * unit) for _, bend in found]

    def apart(weights: Floats) -> Derivatives:
        gaps = [weights - own for own, _ in found]
        pulls = [precision @ gap for precision, gap in zip(known, gaps, strict=True)]
        loss = sum(float(gap @ pull) for gap, pull in zip(gaps, pulls, strict=True))
        return 0.5 * (loss + float(weights @ weights)), np.sum(pulls, axis=0) + weights, np.sum(known, axis=0) + unit

    return _least(apart, ANY_SIGN)[0]


def _least(function: Callable[[Floats], Derivatives], free: npt.NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Where a convex function of the weights is least, those that are not `free` at 0 or above; and its bend there."""
    weights = np.zeros(len(SIGNALS))
    loss, slope, bend = function(weights)
    for _ in range(STEPS):
        moving = free | (weights > 0) | (slope < 0)
        step = np.zeros(len(SIGNALS))
        step[moving] = -np.linalg.solve(bend[np.ix_(moving, moving)], slope[moving])
        for half in range(STEPS):
            moved = weights + step * 0.5**half
            moved = np.where(free, moved, np.maximum(moved, 0.0))
            new = function(moved)
            if new[0] <= loss:
                break
        done = bool(np.abs(moved - weights).max() < CLOSE)
        weights, (loss, slope, bend) = moved, new
        if done:
            break
    return weights, bend


def _loss(rows: Floats, weights: Floats) -> Derivatives:
    """The log loss of a set's lessons."""
    share, base, false, x = rows[:, 0], rows[:, 1], rows[:, 2], rows[:, 3:]
    z = base + x @ weights
    p = sigmoid(z)
    loss = float(share @ (np.logaddexp(0.0, z) - false * z)) + 0.5 * FAINT * float(weights @ weights)
    bend = (x * (share * p * (1.0 - p))[:, None]).T @ x + FAINT * np.eye(len(weights))
    return loss, x.T @ (share * (p - false)) + FAINT * weights, bend


def leave_out(folder: Path, options: Options, progress: Progress = lambda what, done, of: None) -> dict[str, Any]:
    """Set → the report with prior weights that never saw it, those weights, and the figures of those in force.

    Args:
        folder: whose folders are sets of cascades. The synthetic world is one more.
    """
    names = {d.name: str(d) for d in sorted(folder.iterdir()) if find(d, "events") and find(d, "claims")}
    if len(names) < 2:
        raise ValueError(f"{folder} has {len(names)} sets of cascades in folders of their own; two are needed at least")
    sets = {name: load(place, options.seed, options.labels) for name, place in {**names, WORLD: WORLD}.items()}
    taught = {name: lessons(data, options, progress) for name, data in sets.items()}
    found = {}
    for name, data in sets.items():
        weights = tuple(fit([rows for other, rows in taught.items() if other != name]).tolist())
        report = evaluate(data, replace(options, prior=weights), progress).report
        in_force = evaluate(data, replace(options, baselines=()), progress).report
        weights_of = {s: w for s, w, used in zip(SIGNALS, weights, IN_USE, strict=True) if used}
        found[name] = report | {"prior": weights_of, "in_force": {part: in_force[part] for part in ("ours", "flags")}}
    return found


HEADS = ("set", "claims", "risk", "best baseline", "ECE", "flags", "in force", "its ECE", "its flags")


def rows(found: Mapping[str, Any]) -> list[list[str]]:
    """Of each set, in the order of HEADS: AUC within quarters and calibration error by horizon; flags' figures."""
    made = []
    for name, report in found.items():
        best = [
            f"{b['name']}{' upside down' if b['upside_down'] else ''} {b['auc_within']:.3f}"
            for b in report["best_baseline"].values()
        ]
        first = next(iter(report["ours"].values()))
        cells = [
            name,
            str(first["n"]),
            _both(report, "auc_within"),
            " / ".join(best),
            _both(report, "ece"),
            _flags(report),
        ]
        force = report["in_force"]
        made.append([*cells, _both(force, "auc_within"), _both(force, "ece"), _flags(force)])
    return made


def _both(report: Mapping[str, Any], figure: str) -> str:
    return " / ".join(f"{by[figure]:.3f}" for by in report["ours"].values())


def _flags(report: Mapping[str, Any]) -> str:
    """Precision, recall, median delay in hours."""
    flags = report["flags"]
    shares = ["–" if flags[part] is None else f"{flags[part]:.2f}" for part in ("precision", "recall")]
    delay = flags["median_delay_h"]
    return ", ".join([*shares, "never" if delay is None else f"{delay:.1f} h"])


def table(found: Mapping[str, Any]) -> Table:
    """The figures for a person."""
    shown = Table(title="prior weights fitted to the other sets alone, beside those in force")
    for head in HEADS:
        shown.add_column(head)
    for cells in rows(found):
        shown.add_row(*cells)
    return shown
