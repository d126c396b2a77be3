"""Truth discovery: TruthFinder, CRH and CATD on two conflicting facts a claim ("true", "false"), verdicts clamped."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from streams.evaluate.baselines.batch import Batched, Matrix
from streams.evaluate.baselines.stances import Floats, Signs, logit
from streams.evaluate.cascades import CascadeSet

# Lower 2.5 % quantiles of χ² with 1 … 30 degrees of freedom (standard tables).
_CHI2_LOW = np.array(
    [
        *(0.000982, 0.0506, 0.216, 0.484, 0.831, 1.237, 1.690, 2.180, 2.700, 3.247),
        *(3.816, 4.404, 5.009, 5.629, 6.262, 6.908, 7.564, 8.231, 8.907, 9.591),
        *(10.283, 10.982, 11.689, 12.401, 13.120, 13.844, 14.573, 15.308, 16.047, 16.791),
    ]
)


def chi2_low(degrees: Floats) -> Floats:
    """Lower 2.5 % quantile of χ²: tables up to 30 degrees of freedom, Wilson & Hilferty (1931) beyond.

    >>> chi2_low(np.array([1.0, 100.0])).round(4).tolist()
    [0.001, 74.2169]
    """
    spread = 2 / (9 * np.maximum(degrees, 31))
    beyond = degrees * (1 - spread - 1.959964 * np.sqrt(spread)) ** 3
    inside = _CHI2_LOW[np.clip(degrees.astype(np.int64) - 1, 0, 29)]
    return np.where(degrees <= 30, inside, beyond)


class TruthFinder(Batched):
    """Yin, Han & Yu, IEEE TKDE 20(6), 2008, with trust .9 at the start, dampening γ = .3, implication weight ρ = .5.

    σ(f) = Σ −ln(1 − t(w)); σ*(f) = σ(f) − ρ·σ(the conflicting fact); s(f) = 1/(1 + e^(−γσ*)); t(w) = mean of s.
    """

    name = "truthfinder"
    iterations, gamma, rho, start = 10, 0.3, 0.5, 0.9

    def __init__(self, data: CascadeSet) -> None:
        super().__init__(data)
        self.trust: Floats = np.zeros(0)

    def fit(self, matrix: Matrix) -> None:
        """Iterate trust of sources and confidence of facts."""
        trust = np.full(matrix.n_users, self.start)
        supports = matrix.sign > 0
        for _ in range(self.iterations):
            tau = -np.log(1 - np.minimum(trust, 0.999999))[matrix.user]
            for_it = matrix.per_claim(np.where(supports, tau, 0))
            against = matrix.per_claim(np.where(supports, 0, tau))
            confident_true = matrix.clamp(self._confidence(for_it, against))
            confident_false = 1 - matrix.clamp(1 - self._confidence(against, for_it))
            fact = np.where(supports, confident_true[matrix.claim], confident_false[matrix.claim])
            trust = matrix.per_user(fact) / matrix.per_user(np.ones(len(fact)))
        self.trust = trust

    def _confidence(self, sigma: Floats, other: Floats) -> Floats:
        return np.asarray(0.5 * (1 + np.tanh(0.5 * self.gamma * (sigma - self.rho * other))))

    def judge(self, rows: npt.NDArray[np.int64], sign: Signs) -> float:
        """γ(1 + ρ)(σ(false) − σ(true)): the logit of which fact is the more confident, and by how much."""
        mean = float(self.trust.mean()) if len(self.trust) else self.start
        tau = -np.log(1 - np.minimum(self.look_up(self.trust, rows, mean), 0.999999))
        return -self.gamma * (1 + self.rho) * float(np.sum(sign * tau))


class _Weighted(Batched):
    """Truth as a weighted vote, a source's weight from its distance to the truth."""

    iterations = 10

    def __init__(self, data: CascadeSet) -> None:
        super().__init__(data)
        self.weight: Floats = np.zeros(0)
        self.new_weight = 1.0

    def fit(self, matrix: Matrix) -> None:
        """Alternate between truths and weights."""
        n = matrix.per_user(np.ones(len(matrix.user)))
        weight = np.ones(matrix.n_users)
        for _ in range(self.iterations):
            each = weight[matrix.user]
            total = np.maximum(matrix.per_claim(each), 1e-12)
            p_true = matrix.clamp(matrix.per_claim(np.where(matrix.sign > 0, each, 0)) / total)
            believed = np.where(p_true[matrix.claim] >= 0.5, 1, -1)
            loss = matrix.per_user((believed != matrix.sign).astype(np.float64))
            weight = self.weigh(loss, n)
        self.weight = weight
        self.new_weight = float(np.median(weight))

    def weigh(self, loss: Floats, n: Floats) -> Floats:
        """[users] weight from the number of wrong assertions and the number of assertions."""
        raise NotImplementedError

    def judge(self, rows: npt.NDArray[np.int64], sign: Signs) -> float:
        """Logit of the weighted share of denials; ½ without assertions."""
        weight = self.look_up(self.weight, rows, self.new_weight)
        total = float(weight.sum())
        return logit(float(weight[sign < 0].sum()) / total) if total > 0 else 0.0


class Crh(_Weighted):
    """Li et al., Resolving Conflicts in Heterogeneous Data, SIGMOD 2014: w = −ln(loss / Σ loss), 0–1 loss a claim."""

    name = "crh"

    def weigh(self, loss: Floats, n: Floats) -> Floats:
        """Normalised 0–1 loss with half a pseudo-error, against the sum over all sources."""
        rate = (loss + 0.5) / (n + 1)
        return np.asarray(-np.log(rate / rate.sum()))


class Catd(_Weighted):
    """Li et al., A Confidence-Aware Approach, PVLDB 8(4), 2015: w = χ²(α/2, n) / Σ loss, α = .05."""

    name = "catd"

    def weigh(self, loss: Floats, n: Floats) -> Floats:
        """Half a pseudo-error keeps the faultless finite."""
        return np.asarray(chi2_low(n) / (loss + 0.5))
