"""Bridging: what people who usually disagree both find true.

    score = exp(mean_b ln clip((V_b + s·p) / (N_b + s), .05, .8))      over viewpoint bins b, s = .4, p = .35

V_b and N_b are kernel sums (bandwidth .1) of supporting, and of all, ratings near the bin's viewpoint; a denial counts
1.75 times in N_b. The geometric mean makes one viewpoint's silence or refusal count. "Agreed across viewpoints" is
score ≥ .51.

Where viewpoints are not given they are learned online, one step a rating x ∈ {0, 1} of source s on claim c:

    x̂ = μ + i_s + i_c + f_s·f_c;  e = x − x̂;  i ← i + η(e − λ_i·i);  f_c ← f_c + η(e·f_s − λ_f·f_c), and f_s alike

with λ_i = .15, λ_f = .03, η = .05; i_c is then the claim's agreement with viewpoints explained away.

Source: Community Notes, public scoring code and Wojcik et al. 2022 (matrix factorisation; Helpful at i_c ≥ .40).
Range: score in [.05, .8]; i_c about ±1. Failure modes: viewpoint means nothing where ratings are few or unpolarised;
a net that spans the viewpoints passes (its copy-cluster must be one rating). In shadow: no score uses it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from streams.scoring.numeric import Floats, Ints

BINS = np.linspace(-1.0, 1.0, 11)
BANDWIDTH, PRIOR_WEIGHT, PRIOR, DENIAL_WEIGHT = 0.1, 0.4, 0.35, 1.75
LOWEST, HIGHEST, AGREED = 0.05, 0.8, 0.51


def bridging_score(viewpoint: Floats, supports: Ints, weight: Floats | None = None) -> float:
    """Agreement across viewpoints on one claim.

    Args:
        viewpoint: of each rating's source, −1 to 1.
        supports: 1 for a support, 0 for a denial.
        weight: of each rating, 1 if not given (a copy-cluster's ratings share one).

    >>> both, one = np.tile([-0.8, 0.0, 0.8], 40), np.full(120, 0.8)
    >>> bridging_score(both, np.ones(120, int)) > bridging_score(one, np.ones(120, int))
    True
    """
    return float(bridging_scores(viewpoint, supports, np.zeros(len(viewpoint), np.int64), 1, weight)[0])


def bridging_scores(
    viewpoint: Floats, supports: Ints, claim: Ints, claims: int, weight: Floats | None = None
) -> Floats:
    """The same for many claims at once; a claim without ratings has the prior's score.

    Args:
        claim: of each rating, 0 ≤ claim < claims.

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


@dataclass(slots=True)
class OnlineBridging:
    """One-factor model of ratings, learned a rating at a time.

    >>> model = OnlineBridging()
    >>> for step in range(400):
    ...     one, other = f"a{step % 9}", f"b{step % 9}"
    ...     for source, claim, rating in ((one, "split", 1), (other, "split", 0), (one, "both", 1), (other, "both", 1)):
    ...         model.learn(source, claim, rating)
    >>> model.agreement("both") > model.agreement("split")
    True
    """

    rate: float = 0.05
    shrink_intercept: float = 0.15
    shrink_factor: float = 0.03
    mean: float = 0.5
    source: dict[str, tuple[float, float]] = field(default_factory=dict)
    claim: dict[str, tuple[float, float]] = field(default_factory=dict)

    def learn(self, source: str, claim: str, rating: int) -> None:
        """Take in one rating, 1 for support and 0 for denial."""
        i_s, f_s = self.source.get(source, (0.0, 0.1 if hash_sign(source) else -0.1))
        i_c, f_c = self.claim.get(claim, (0.0, 0.0))
        error = rating - (self.mean + i_s + i_c + f_s * f_c)
        self.mean += 0.1 * self.rate * error
        eta, li, lf = self.rate, self.shrink_intercept, self.shrink_factor
        self.source[source] = (i_s + eta * (error - li * i_s), f_s + eta * (error * f_c - lf * f_s))
        self.claim[claim] = (i_c + eta * (error - li * i_c), f_c + eta * (error * f_s - lf * f_c))

    def agreement(self, claim: str) -> float:
        """i_c, 0 for an unknown claim."""
        return self.claim.get(claim, (0.0, 0.0))[0]


def hash_sign(name: str) -> bool:
    """A fixed coin for each name, so that factors start apart without a random generator."""
    return sum(name.encode()) % 2 == 0
