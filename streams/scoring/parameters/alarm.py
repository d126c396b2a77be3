"""Alarm: where a flag is raised, learned from verdicts for the precision that an operator wants.

    alarm      = risk's log-odds + min(.5, .3·(ln n − c)⁺), n participants, c the usual ln n at the age of one hour
    raised     where alarm ≥ t
    precision  of the threshold t = (F + m·π)/(N + m): N settled claims whose highest alarm before the verdict reached
               t, F of them false, both forgotten with .99 a verdict, after m = 50 claims at π(t) = σ(t) + .05
    t          going down from σ(t) = .97 in steps of .01, the last before the precision falls below the wanted one

A flag is raised when the alarm first passes t. So the lesson of a claim is its highest alarm, not where it stood when
the verdict came. For a calibrated risk, the precision at the first passage is the mean risk there (optional stopping):
t plus the size of the jump over it, hence π. A claim that many have joined is flagged a little earlier: there is more
to lose. c is the stream's own, because a large claim of one stream is a small one of another.

Range: t in [−.4, 3.5] nats. Failure modes: a few dozen flags say little, so that in the beginning t is what the
prior says, and fewer than a hundred claims are remembered: t wanders. Verdicts that come only for flagged claims leave
the rest of the scale at its prior; wrong verdicts raise the threshold.
"""

from __future__ import annotations

import math

import numpy as np

from streams.scoring.numeric import Floats, logit
from streams.tables.compiled import inlined

CROWD_WEIGHT, CROWD_MAX = 0.3, 0.5  # nats a unit of ln n, and in all
RISKS = np.arange(40, 98) / 100.0  # where the threshold may lie
STEPS = logit(RISKS)
OVERSHOOT = 0.05  # of precision over the risk at the threshold, before any verdict
PRIOR_FLAGS = 50.0
REMEMBER = 0.99


@inlined
def alarm(risk_z: float, participants: int, crowd: float) -> float:
    """Log-odds of the risk, raised for claims with more participants than usual, e^crowd.

    >>> [round(alarm(1.0, participants, math.log(20)), 2) for participants in (5, 100, 10_000)]
    [1.0, 1.48, 1.5]
    """
    larger = math.log(max(participants, 1)) - crowd
    return risk_z + min(max(CROWD_WEIGHT * larger, 0.0), CROWD_MAX)


class Threshold:
    """What verdicts taught of the precision at each possible threshold; `state` is all there is to keep.

    >>> threshold = Threshold()
    >>> round(threshold.at(0.81), 2)  # before any verdict: a risk of .76
    1.15
    >>> for n in range(500):  # of the claims that rose to a risk of .82, half were false
    ...     threshold.learn(1.5, n % 2 == 0)
    >>> round(threshold.at(0.81), 2)
    1.52
    """

    SIZE = 2 * len(RISKS)

    def __init__(self, state: Floats | None = None) -> None:
        self.state = np.zeros(self.SIZE) if state is None else np.array(state, np.float64)

    def learn(self, highest: float, false: bool) -> None:
        """One settled claim: its highest alarm before the verdict, and the verdict."""
        reached = highest >= STEPS
        self.state = self.state * REMEMBER + np.concatenate([reached, reached & false])

    def at(self, precision: float) -> float:
        """The threshold in nats at which flags have this precision, as far as verdicts tell."""
        claims, false = self.state[: len(RISKS)], self.state[len(RISKS) :]
        prior = np.minimum(RISKS + OVERSHOOT, 0.99)
        short = np.flatnonzero((false + PRIOR_FLAGS * prior) / (claims + PRIOR_FLAGS) < precision - 1e-9)
        return float(STEPS[min(short[-1] + 1, len(STEPS) - 1)] if short.size else STEPS[0])
