"""From what scorers said to the figures of the report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from streams.contract.codes import FALSE
from streams.evaluate import probabilities as calibration
from streams.evaluate import ranking
from streams.evaluate.cascades import HOUR_MS, CascadeSet
from streams.evaluate.protocol import Forecast, Trial

Floats = npt.NDArray[np.float64]

PRECISION = 0.8  # that flags promise, and at which the recall of a ranking is told
LARGE = 100  # participants a false cascade must pass to count in the flags' delay
FLAGS_AFTER = 0.3  # share of the claims, by date, before flags are judged


def horizon_name(ms: int) -> str:
    """1h, 24h, 7d, 30m.

    >>> [horizon_name(m) for m in (1_800_000, 3_600_000, 86_400_000, 7 * 86_400_000)]
    ['30m', '1h', '24h', '7d']
    """
    if ms % (24 * HOUR_MS) == 0 and ms > 24 * HOUR_MS:
        return f"{ms // (24 * HOUR_MS)}d"
    return f"{ms // HOUR_MS}h" if ms % HOUR_MS == 0 else f"{ms // 60_000}m"


class Judge:
    """Holds labels, quarters and bootstrap resamples of a trial, so that every scorer meets the same ones."""

    def __init__(self, trial: Trial, seed: int = 0) -> None:
        self.trial = trial
        self.false = trial.of.truth[trial.claims] == FALSE
        self.quarter = ranking.quarters(len(trial.claims))
        self.weights = ranking.resample_weights(trial.of.group[trial.claims], seed)
        attacked = trial.of.attacked
        self.attacked = attacked[trial.claims] if attacked is not None else None

    def figures(self, log_odds: Floats, probabilistic: bool, reversible: bool = False) -> dict[str, Any]:
        """Figures of one scorer at one horizon. `reversible` adds 1 − auc where upside down is better."""
        false = self.false
        within = ranking.auc(log_odds, false, self.quarter)
        resampled = ranking.aucs(log_odds, false, self.quarter, self.weights)
        out: dict[str, Any] = {
            "auc": ranking.auc(log_odds, false),
            "auc_within": within,
            "ci": ranking.interval(resampled),
            "recall_at_precision": ranking.recall_at(log_odds, false, PRECISION),
        }
        if probabilistic:
            risk = 0.5 * (1 + np.tanh(0.5 * log_odds))
            out |= {
                "brier": calibration.brier(risk, false),
                "brier_skill": calibration.brier_skill(risk, false),
                "ece": float(calibration.ece(risk, false)[0]),
                "ece_ci": ranking.interval(calibration.ece(risk, false, self.weights)),
                "ece_raw": float(calibration.ece_raw(risk, false)[0]),
                "ece_raw_if_calibrated": calibration.ece_of_calibrated(risk),
            }
        else:
            out |= {"brier": None, "brier_skill": None, "ece": None}
        out |= {"n": len(false), "n_false": int(false.sum())}
        if reversible and within < 0.5:
            out["auc_within_reversed"] = 1 - within
        if reversible and out["auc"] < 0.5:
            out["auc_reversed"] = 1 - out["auc"]
        if self.attacked is not None:
            on = self.attacked
            out["auc_on_attacked"] = ranking.auc(log_odds[on], false[on]) if on.any() else None
        return out

    def by_horizon(self, made: Forecast, reversible: bool = False) -> dict[str, Any]:
        """Horizon name → figures of the risk."""
        return {
            horizon_name(h): self.figures(made.log_odds[:, i], made.probabilistic, reversible)
            for i, h in enumerate(made.horizons_ms)
        }

    def score_by_horizon(self, made: Forecast) -> dict[str, Any]:
        """Horizon name → figures of 1 − public score."""
        score = np.clip(made.score, 1e-9, 1 - 1e-9)
        odds = np.log1p(-score) - np.log(score)
        return {horizon_name(h): self.figures(odds[:, i], True) for i, h in enumerate(made.horizons_ms)}

    def against_best(self, ours: Forecast, baselines: Sequence[Forecast]) -> dict[str, Any]:
        """Horizon name → the best baseline within quarters (upside down included) and the paired gain over it."""
        out = {}
        for i, h in enumerate(ours.horizons_ms):
            signed = [(b.name, sign * b.log_odds[:, i], sign) for b in baselines for sign in (1, -1)]
            if not signed:
                continue
            name, odds, sign = max(signed, key=lambda b: ranking.auc(b[1], self.false, self.quarter))
            best = ranking.auc(odds, self.false, self.quarter)
            mine = ranking.auc(ours.log_odds[:, i], self.false, self.quarter)
            paired = ranking.aucs(ours.log_odds[:, i], self.false, self.quarter, self.weights) - ranking.aucs(
                odds, self.false, self.quarter, self.weights
            )
            out[horizon_name(h)] = {
                "name": name,
                "upside_down": sign < 0,
                "auc_within": best,
                "gain": mine - best,
                "gain_ci": ranking.interval(paired),
            }
        return out

    def denied_truths(self, ours: Forecast, majority: Forecast) -> dict[str, Any]:
        """Of the true claims that most assertions deny, the share with public score < .15 or risk > .85."""
        out = {}
        for i, h in enumerate(ours.horizons_ms):
            denied = ~self.false & (majority.log_odds[:, i] > 0)
            sunk = denied & ((ours.score[:, i] < 0.15) | (ours.risk[:, i] > 0.85))
            by_majority = denied & (majority.risk[:, i] > 0.85)
            n = int(denied.sum())
            out[horizon_name(h)] = {
                "n": n,
                "share_sunk": float(sunk.sum() / n) if n else None,
                "share_sunk_by_majority": float(by_majority.sum() / n) if n else None,
            }
        return out

    def reliability(self, ours: Forecast) -> dict[str, Any]:
        """Horizon name → reliability table of the risk."""
        return {
            horizon_name(h): calibration.reliability(ours.risk[:, i], self.false)
            for i, h in enumerate(ours.horizons_ms)
        }


def participants(data: CascadeSet) -> npt.NDArray[np.int64]:
    """[claims] distinct users in the whole cascade."""
    pairs = np.unique(data.claim.astype(np.int64) * len(data.user_ids) + data.user)
    return np.bincount(pairs // len(data.user_ids), minlength=len(data.claim_ids))


def flag_figures(trial: Trial, made: Forecast) -> dict[str, Any]:
    """Precision, recall and delay of the flags, after the first 30 % of the claims.

    The delay is the median over all false cascades that pass 100 participants, a cascade never flagged counting as
    infinite; None stands for an infinite (or empty) median. Remaining share: of the events of the final cascade,
    those still to come at the flag, median over the false claims that were flagged.
    """
    data = trial.of
    judged = trial.claims[int(FLAGS_AFTER * len(trial.claims)) :]
    raised = {f.claim: f.t_ms for f in made.flags}
    start, size = data.start_ms, participants(data)
    false = [c for c in judged.tolist() if data.truth[c] == FALSE]
    hits = [c for c in false if c in raised]
    flagged = [c for c in judged.tolist() if c in raised]
    large = [c for c in false if size[c] > LARGE]
    delay_h = [(raised[c] - start[c]) / HOUR_MS if c in raised else np.inf for c in large]
    median = float(np.median(delay_h)) if delay_h else np.inf
    remaining, people = [], []
    for c in hits:
        mine = data.claim == c
        seen = mine & (data.t_ms <= raised[c])
        remaining.append(1 - float(seen.sum() / mine.sum()))
        people.append(len(np.unique(data.user[seen])))
    return {
        "precision": len(hits) / len(flagged) if flagged else None,
        "recall": len(hits) / len(false) if false else None,
        "median_delay_h": median if np.isfinite(median) else None,
        "median_remaining_share": float(np.median(remaining)) if remaining else None,
        "median_participants": float(np.median(people)) if people else None,
        "flagged": len(flagged),
        "false": len(false),
        "large_false": len(large),
        "large_false_flagged": sum(c in raised for c in large),
    }
