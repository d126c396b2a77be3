"""Bridging: what people who usually disagree both find true.

    score = exp(mean_b ln clip((V_b + s·p) / (N_b + s), .05, .8))      over viewpoint bins b, s = .4, p = .35

V_b and N_b are kernel sums (bandwidth .1) of supporting, and of all, ratings near the bin's viewpoint; a denial counts
1.75 times in N_b. The geometric mean makes one viewpoint's silence or refusal count. "Agreed across viewpoints" is
score ≥ .51.

Source: Community Notes, public scoring code. Range: [.05, .8]. Failure modes: viewpoint means nothing where ratings are
few or unpolarised; a net that spans the viewpoints passes (its copy-cluster must be one rating). No score uses it.
"""

from __future__ import annotations

import numpy as np

from streams.scoring.numeric import Floats, Ints

BINS = np.linspace(-1.0, 1.0, 11)
BANDWIDTH, PRIOR_WEIGHT, PRIOR, DENIAL_WEIGHT = 0.1, 0.4, 0.35, 1.75
LOWEST, HIGHEST = 0.05, 0.8


def bridging_scores(
    viewpoint: Floats, supports: Ints, claim: Ints, claims: int, weight: Floats | None = None
) -> Floats:
    """Agreement across viewpoints on each of many claims; one without ratings has the prior's score.

    Args:
        viewpoint: of each rating's source, −1 to 1.
        supports: 1 for a support, 0 for a denial.
        claim: of each rating, 0 ≤ claim < claims.
        weight: of each rating, 1 if not given (a copy-cluster's ratings share one).

    >>> two = bridging_scores(np.array([-0.8, 0.8, 0.8, 0.8]), np.ones(4, int), np.array([0, 0, 1, 1]), 2)
    >>> bool(two[0] > two[1])
    True
    """
    w = np.ones(len(viewpoint)) if weight is None else weight
    total = np.zeros(claims)
    for place in BINS:
        near = w * np.exp(-0.5 * ((viewpoint - place) / BANDWIDTH) ** 2)
        helped = np.bincount(claim, near * supports, minlength=claims)
        refused = np.bincount(claim, near * (1 - supports), minlength=claims)
        ratio = (helped + PRIOR_WEIGHT * PRIOR) / (helped + DENIAL_WEIGHT * refused + PRIOR_WEIGHT)
        total += np.log(np.clip(ratio, LOWEST, HIGHEST))
    scores: Floats = np.exp(total / len(BINS))
    return scores
