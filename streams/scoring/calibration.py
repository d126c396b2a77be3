"""Calibration: from log-odds to probabilities that mean what they say.

    p = σ(a + b·z)

a and b are learned from settled claims by the parameters stage (Newton steps with forgetting) and arrive as
parameters; here they are applied. Source: Platt 1999. Range: (0, 1). Failure modes: drifts with the mix of claims
that fact-checkers choose; an intercept that follows the base rate moves all claims alike and cannot change a ranking.
"""

from __future__ import annotations

from streams.scoring.numeric import Floats, sigmoid


def calibrated(z: Floats, a: float, b: float) -> Floats:
    """Probability of log-odds z.

    >>> import numpy as np
    >>> calibrated(np.zeros(1), 0.0, 1.0).tolist()
    [0.5]
    """
    p: Floats = sigmoid(a + b * z)
    return p
