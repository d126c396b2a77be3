"""Mixture: how far learned weights are used beside those of before any verdict, by how well each of the two forecast.

    p_e      = σ(logit p + x·β_e)        forecast of expert e for a verdict that is still to come: x the signals within
               their time, p the base rate of the latest verdicts, so that a drifting base rate favours nobody
    w_e      ← w_e · exp(−s·ℓ_e), ℓ_e the log loss of p_e and s the lesson's weight; then w ← (1 − α)·w + α/n
    weights  = Σ w_e·β_e

What is mixed are log-odds, so that the mixture is a weighted sum of signals again, and explained as one. Whatever the
verdicts, no stream can be built on which it falls far behind the better of its experts: for every expert e

    Σ s·ℓ ≤ Σ s·ℓ_e + ln n + Σ r²/8 + T·ln(1/(1 − α))

after T lessons, r being how far apart the experts' s·ℓ_e lie. By convexity the loss of mixed log-odds is at most the
mixed loss; the rest is Hedge. α lets an expert come back that was worse for long.

Source: Freund & Schapire 1997 (Hedge, by Hoeffding's lemma); the share α is that of Herbster & Warmuth 1998 (tracking
the best expert). Range: w in [α/n, 1 − α/n]. Failure modes: the bound is of log loss, and ranks follow it only
roughly; verdicts that are wrong on purpose choose the expert too, see `skill` for those that teach nothing.
"""

from __future__ import annotations

import numpy as np

from streams.scoring.numeric import Floats, sigmoid

SHARED = 0.005  # α
EXPERTS = 2


class Mixture:
    """Weights of the experts; `state` is all there is to keep: how far they moved from even, as log-odds.

    >>> mixture = Mixture()
    >>> mixture.shares.tolist()
    [0.5, 0.5]
    >>> for _ in range(100):  # false claims, of which the second expert is surer
    ...     mixture.learn(np.array([0.0, 1.0]), True, 0.4)
    >>> mixture.shares.round(2).tolist()
    [0.02, 0.98]
    """

    SIZE = EXPERTS

    def __init__(self, state: Floats | None = None) -> None:
        self.state = np.zeros(self.SIZE) if state is None else np.array(state, np.float64)

    @property
    def shares(self) -> Floats:
        """[experts] w, which add up to 1."""
        raised = np.exp(self.state - self.state.max())
        return np.asarray(raised / raised.sum())

    def learn(self, log_odds: Floats, false: bool, weight: float) -> None:
        """One lesson: [experts] the log-odds of falsehood that each gave, the verdict, and s."""
        self.state = self.state - weight * log_loss(log_odds, false)
        self.state = np.log((1.0 - SHARED) * self.shares + SHARED / self.SIZE)


def log_loss(log_odds: Floats, false: bool) -> Floats:
    """−ln of the probability that was given to what the verdict says.

    >>> log_loss(np.array([0.0]), True).round(3).tolist()
    [0.693]
    """
    return np.asarray(-np.log(sigmoid(log_odds if false else -log_odds)))
