"""Dawid–Skene with verdicts: EM over two-by-two confusion matrices, settled claims clamped."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from streams.evaluate.baselines.batch import Batched, Matrix
from streams.evaluate.baselines.stances import Floats, Signs
from streams.evaluate.cascades import CascadeSet


class DawidSkene(Batched):
    """Dawid & Skene, Applied Statistics 28(1), 1979: confusion matrix of each source by EM.

    One pseudo-count on each answer keeps sources with one claim finite. The classes are named by the majority's
    start: P(true) begins at the share of support.
    """

    name = "dawid_skene"
    iterations = 20
    pseudo = 1.0

    def __init__(self, data: CascadeSet) -> None:
        super().__init__(data)
        self.log_support_ratio: Floats = np.zeros(0)  # ln P(support | true) / P(support | false), by source
        self.log_deny_ratio: Floats = np.zeros(0)
        self.new_source = (0.0, 0.0)
        self.prior = 0.5

    def fit(self, matrix: Matrix) -> None:
        """EM from the share of support."""
        supports = (matrix.sign > 0).astype(np.float64)
        n = np.maximum(matrix.per_claim(np.ones(len(supports))), 1)
        p_true = matrix.clamp(matrix.per_claim(supports) / n)
        for _ in range(self.iterations):
            p_true = self.round(matrix, p_true)

    def round(self, matrix: Matrix, p_true: Floats) -> Floats:
        """Sources from [claims] P(true), and P(true) from the sources: one round of EM."""
        supports = (matrix.sign > 0).astype(np.float64)
        weight = p_true[matrix.claim]
        rates = []
        for mass in (weight, 1 - weight):
            total, hits = matrix.per_user(mass), matrix.per_user(mass * supports)
            pooled = (hits.sum() + 1) / (total.sum() + 2)
            rates.append(((hits + 2 * self.pseudo * pooled) / (total + 2 * self.pseudo), pooled))
        (given_true, pooled_true), (given_false, pooled_false) = rates
        self.new_source = (
            float(np.log(pooled_true / pooled_false)),
            float(np.log((1 - pooled_true) / (1 - pooled_false))),
        )
        self.prior = float((p_true.sum() + 1) / (len(p_true) + 2))
        self.log_support_ratio = np.log(given_true / given_false)
        self.log_deny_ratio = np.log((1 - given_true) / (1 - given_false))
        ratio = np.where(matrix.sign > 0, self.log_support_ratio[matrix.user], self.log_deny_ratio[matrix.user])
        log_odds = np.log(self.prior / (1 - self.prior)) + matrix.per_claim(ratio)
        return matrix.clamp(0.5 * (1 + np.tanh(0.5 * log_odds)))

    def judge(self, rows: npt.NDArray[np.int64], sign: Signs) -> float:
        """One E-step of the claim."""
        ratio = np.where(
            sign > 0,
            self.look_up(self.log_support_ratio, rows, self.new_source[0]),
            self.look_up(self.log_deny_ratio, rows, self.new_source[1]),
        )
        return -float(np.log(self.prior / (1 - self.prior)) + ratio.sum())
