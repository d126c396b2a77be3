"""Calibration: from log-odds to probabilities that mean what they say.

    p = σ(a·v + b·z)                  v = 1 for the risk; for the public score v = A²/(A² + c²), c = .3

The parameters stage learns a and b from settled claims; `reading.read` applies them. A is the independent weight of
what supports and denies a claim. v is the reliability of that evidence: signal over signal and noise. Where there is
little evidence v is near 0: the base rate of checked claims then hardly moves the score, and the lesson hardly moves
the base rate. So a claim on which nobody has a say reads one half, not what was usual in its month.

    b   one Newton step a lesson on ln b, with a prior around b = 1; lessons are forgotten slowly, because z carries
        more news once histories and weights have been learned
    â   one Newton step a lesson, hardly any prior: the intercept that fits all lessons so far
    φ   overdispersion of what is left: r ← λ·r + v·(y − p), u ← λ²·u + v²·p(1−p), φ = Σ r² / Σ u. It is 1 where
        verdicts are independent, much more where false ones come in runs, as when the base rate follows the calendar
    a   â · s²n / (s²n + φ), n the information of the lessons on â: what a prior of standard deviation s leaves of â
        when lessons that come in runs count as 1/φ of a lesson each

So a steady base rate is learned from a hundred verdicts, and a drifting one is not. To follow that would rank claims by
their dates.

Source: Platt 1999; φ is the quasi-likelihood dispersion of Wedderburn 1974, taken over runs of residuals. Range: p in
(0, 1), a between 0 and â, b in [.22, 2.7], φ ≥ 1. Failure modes: it follows the mix of claims that fact-checkers
choose; a drifting base rate that is far from one half stays uncalibrated; a shift of all claims alike changes the
ranking between dates only.
"""

from __future__ import annotations

import math

import numpy as np

from streams.scoring.numeric import Floats, sigmoid
from streams.tables.compiled import inlined

RISK_SD, SCORE_SD = 0.25, 2.0  # s, nats; the evidence of the score has no base rate of its own
RELIABLE = 0.3  # c, of the weight of one independent piece of evidence
FREE_SD = 2.0  # of the prior of â
SLOPE_SD = 0.2  # of ln b
SLOPE_RANGE = (-1.5, 1.0)  # of ln b
REMEMBER = 0.995  # of a claim's information on b, after one more claim
RUN = 0.98  # λ: runs of about fifty verdicts
RUNS_PRIOR = (20.0, 300.0)  # φ before any verdict, and its weight in the units of Σ u: some fifty verdicts


@inlined
def reliability(weight: float) -> float:
    """v of a claim with this much independent weight behind it; 0 to 1.

    >>> [round(reliability(weight), 2) for weight in (0.0, 0.3, 3.0)]
    [0.0, 0.5, 0.99]
    """
    square = weight * weight
    return square / (square + RELIABLE**2)


class Calibration:
    """a and b as lessons left them; `state` is all there is to keep, `sd` is s.

    >>> c = Calibration()
    >>> for n in range(600):  # one claim in four is false, evenly, whatever z says
    ...     c.learn(0.0, n % 4 == 0, 1.0, True)
    >>> [round(x, 1) for x in (c.a, c.b, c.runs)]
    [-0.9, 1.0, 2.0]
    """

    SIZE = 8

    def __init__(self, state: Floats | None = None, sd: float = RISK_SD) -> None:
        # â, its information; r, u, their sums Σ r² and Σ u; ln b, its information.
        self.state = np.zeros(self.SIZE) if state is None else np.array(state, np.float64)
        self.sd = sd

    @property
    def runs(self) -> float:
        """φ, at least 1: how many verdicts count as one."""
        phi, weight = RUNS_PRIOR
        return max(1.0, float((self.state[4] + phi * weight) / (self.state[5] + weight)))

    @property
    def a(self) -> float:
        """Intercept in nats, shrunk by what is known of it."""
        n = float(self.state[1]) * self.sd**2
        return float(self.state[0]) * n / (n + self.runs)

    @property
    def b(self) -> float:
        """Slope."""
        return math.exp(self.state[6])

    def learn(self, z: float, found: bool, share: float, counts: bool, v: float = 1.0) -> None:
        """One lesson: log-odds z before calibration, in nats, and whether the verdict is what z are the odds of.

        Args:
            share: the lesson's weight, 1 being a claim's.
            counts: whether it stands for its claim in φ; once a claim.
            v: how far the intercept applies, see `reliability`.
        """
        free, known, run, spread, squares, spreads, log_b, slope_known = self.state.tolist()
        b, y = math.exp(log_b), float(found)
        p = float(sigmoid(free * v + b * z))
        if counts:
            run, spread = RUN * run + v * (y - p), RUN * RUN * spread + v * v * p * (1 - p)
            squares, spreads = squares + run * run, spreads + spread
        known += share * v * v * p * (1 - p)
        free += share * v * (y - p) / (known + FREE_SD**-2)
        self.state[:6] = free, known, run, spread, squares, spreads
        p = float(sigmoid(self.a * v + b * z))
        share *= v
        slope_known = slope_known * REMEMBER**share + share * p * (1 - p) * (b * z) ** 2
        log_b += share * (y - p) * b * z / (slope_known + SLOPE_SD**-2)
        self.state[6:] = min(max(log_b, SLOPE_RANGE[0]), SLOPE_RANGE[1]), slope_known
