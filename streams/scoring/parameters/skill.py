"""Skill: whether verdicts can be told from what earlier verdicts taught, and so whether they are to be believed.

    b̂      = Σ (y − p)·(u − ū) / Σ p(1 − p)·(u − ū)²        over lessons, forgotten with .998 a claim
             u = 4σ(z) − 2, z the log-odds that the weights of before the lesson give: near 0 it is z, and a sure
             forecast counts as 2; ū the mean of u so far, and p the base rate of the latest verdicts
    trust   = min(1, P(b > .6) / P₀(b > .6)),  b ~ N(.5, .5²) before any verdict (P₀)
    weights = trust · learned + (1 − trust) · untaught

b̂ is one Newton step, from b = 0, on the slope of σ(logit p + b·u). Where verdicts have nothing to do with what was
learned, it is 0 in expectation, whatever the base rate and however sure z was. If half of the verdicts are wrong they
teach nothing, and the records that they leave drown what is known without them. The untaught weights are those of
signals that need no records: how the claim began, and everybody's votes, taken at their word.

Source: the score test, Rao 1948; forecasts before the event as the measure of a model, Dawid 1984 (prequential). On
four honest sets trust is .98 to 1 in the mean; with half of the verdicts turned .2 to .3. Range: trust in
(0, 1]. Failure modes: a minority of wrong verdicts is not seen; a majority that is wrong the same way is consistent
with itself, and is believed; the public score goes on believing; records that say little yet are set aside for a while.
"""

from __future__ import annotations

import math

import numpy as np

from streams.scoring.numeric import Floats, sigmoid

REMEMBER = 0.998
USUAL, USUAL_SD = 0.5, 0.5
LEAST = 0.6


class Skill:
    """Sums of the lessons so far; `state` is all there is to keep.

    >>> skill = Skill()
    >>> skill.trust
    1.0
    >>> for n in range(400):  # verdicts that have nothing to do with z
    ...     skill.learn(1.0 if n % 2 else -1.0, 0.5, n % 4 < 2, 1.0)
    >>> round(skill.trust, 1)
    0.0
    """

    SIZE = 4

    def __init__(self, state: Floats | None = None) -> None:
        self.state = np.zeros(self.SIZE) if state is None else np.array(state, np.float64)

    @property
    def trust(self) -> float:
        """How far what verdicts taught is believed, 1 before any of them."""
        met, known, *_ = self.state.tolist()
        return min(1.0, _beyond(met, known) / _beyond(0.0, 0.0))

    def learn(self, z: float, base: float, false: bool, share: float) -> None:
        """One lesson: log-odds that were predicted, apart from the base rate, and the verdict; share 1 is a claim's."""
        kept = REMEMBER**share
        met, known, total, seen = (self.state * kept).tolist()
        u = 4.0 * float(sigmoid(z)) - 2.0
        apart = u - total / seen if seen else 0.0
        met += share * (float(false) - base) * apart
        known += share * base * (1.0 - base) * apart * apart
        self.state = np.array([met, known, total + share * u, seen + share])


def _beyond(met: float, known: float) -> float:
    """P(b > .6) after lessons with these sums."""
    known += USUAL_SD**-2
    mean = (met + USUAL * USUAL_SD**-2) / known
    return 0.5 * math.erfc((LEAST - mean) * math.sqrt(known / 2.0))
