"""Insight: credit for having been right when it was not obvious.

    right: gain += 1 − q        wrong: loss += q        q = P(own stance is right), from the claim's state just before

With a calibrated crowd, gain − loss has mean zero for someone who follows it, so a bandwagon earns nothing. A lone
early source that was right earns almost one. Insight is no part of the weight, where it cost a little accuracy.

Source: the anchor is Mann & Helbing, PNAS 2017 (reward accurate minorities). Range: (−1, 1).
Failure modes: with an uncalibrated crowd it pays for contradiction as such; noisy below some 15 settled claims.
"""

from __future__ import annotations

from streams.scoring.numeric import Float, Int
from streams.tables.compiled import inlined

SHRINKAGE = 6.0


@inlined
def insight_score(gain: Float, loss: Float, settled: Int) -> Float:
    """Mean surprise a settled claim, shrunk towards 0 by six claims.

    >>> insight_score(3.0, 0.0, 4)
    0.3
    """
    return float((gain - loss) / (settled + SHRINKAGE))
