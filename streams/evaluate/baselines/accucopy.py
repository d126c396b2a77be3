"""ACCUCOPY: sources weighted by accuracy, votes discounted by the probability of having been copied."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from streams.evaluate.baselines.batch import Batched, Matrix
from streams.evaluate.baselines.stances import Floats, Signs
from streams.evaluate.cascades import CascadeSet


class Accucopy(Batched):
    """Dong, Berti-Équille & Srivastava, Integrating Conflicting Data, PVLDB 2(1), 2009, for binary claims.

    Two sources depend on each other the more, the more *false* values they share: Bayes over k_t shared true, k_f
    shared false and k_d different values with copy probability c = .8 and prior α = .2. A vote counts by the
    probability that it was not copied from a source counted before it, better sources first. Only the `densest`
    sources with at least three assertions can be copiers; the rest are taken as independent. Refitted less often
    than the others: pairs of sources cost their square.
    """

    name = "accucopy"
    growth = 0.25
    iterations, copy_rate, prior, densest = 3, 0.8, 0.2, 1000

    def __init__(self, data: CascadeSet) -> None:
        super().__init__(data)
        self.accuracy: Floats = np.zeros(0)
        self.dense_row = np.zeros(0, np.int64)  # fitted row of a source → row of `depends`, −1 = independent
        self.depends: npt.NDArray[np.float32] = np.zeros((0, 0), np.float32)
        self.log_prior = 0.0

    def fit(self, matrix: Matrix) -> None:
        """Alternate between truths, accuracies and dependence."""
        n = matrix.per_user(np.ones(len(matrix.user)))
        dense = np.argsort(-n, kind="stable")[: self.densest]
        dense = dense[n[dense] >= 3]
        self.dense_row = np.full(matrix.n_users, -1)
        self.dense_row[dense] = np.arange(len(dense))
        self.depends = np.zeros((len(dense), len(dense)), np.float32)
        self.accuracy = np.full(matrix.n_users, 0.7)
        one, other = self._same_opinion(matrix)
        for _ in range(self.iterations):
            accuracy = self.accuracy[matrix.user]
            # Better sources count first; a copier is discounted by each better source that says the same.
            after = (accuracy[other] > accuracy[one]) | ((accuracy[other] == accuracy[one]) & (other < one))
            among = self.depends[self.dense_row[matrix.user[one]], self.dense_row[matrix.user[other]]]
            kept = np.bincount(one, np.where(after, self._log_kept(among), 0), len(accuracy))
            log_odds = matrix.per_claim(matrix.sign * np.exp(kept) * np.log(accuracy / (1 - accuracy)))
            p_true = matrix.clamp(0.5 * (1 + np.tanh(0.5 * log_odds)))
            right = np.where(matrix.sign > 0, p_true[matrix.claim], 1 - p_true[matrix.claim])
            self.accuracy = np.clip((matrix.per_user(right) + 1.4) / (n + 2), 0.05, 0.99)
            self._find_copying(matrix, p_true)

    def _same_opinion(self, matrix: Matrix) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Every ordered pair of assertions by two dense sources with the same opinion of the same claim."""
        dense = np.flatnonzero(self.dense_row[matrix.user] >= 0)
        side = matrix.claim[dense] * 2 + (matrix.sign[dense] > 0)
        dense, side = dense[np.argsort(side, kind="stable")], np.sort(side)
        _, start, size = np.unique(side, return_index=True, return_counts=True)
        each = np.repeat(size, size)
        one = np.repeat(np.arange(len(dense)), each)
        within = np.arange(len(one)) - np.repeat(np.cumsum(each) - each, each)
        return dense[one], dense[np.repeat(np.repeat(start, size), each) + within]

    def _log_kept(self, depends: npt.NDArray[np.float32]) -> Floats:
        """ln(1 − c·P(dependent)): how much of a vote is left beside one better source."""
        return np.asarray(np.log1p(-np.minimum(self.copy_rate * depends, 0.999)))

    def _find_copying(self, matrix: Matrix, p_true: Floats) -> None:
        """P(dependent) of each pair of dense sources, from shared true, shared false and different values."""
        row = self.dense_row[matrix.user]
        inside = row >= 0
        shape = (len(self.depends), matrix.n_claims)
        supports, denies = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        supports[row[inside], matrix.claim[inside]] = matrix.sign[inside] > 0
        denies[row[inside], matrix.claim[inside]] = matrix.sign[inside] < 0
        p = p_true.astype(np.float32)
        k_true = (supports * p) @ supports.T + (denies * (1 - p)) @ denies.T
        k_false = (supports * (1 - p)) @ supports.T + (denies * p) @ denies.T
        seen = supports + denies
        k_differ = seen @ seen.T - k_true - k_false
        dense = np.flatnonzero(self.dense_row >= 0)
        accuracy = np.zeros(len(self.depends), np.float32)
        accuracy[self.dense_row[dense]] = self.accuracy[dense]
        a, c = np.sqrt(np.outer(accuracy, accuracy)), np.float32(self.copy_rate)
        both_true, both_false = a * a, (1 - a) ** 2
        log_ratio = (
            k_true * np.log((a * c + both_true * (1 - c)) / both_true)
            + k_false * np.log(((1 - a) * c + both_false * (1 - c)) / both_false)
            + k_differ * np.log(1 - c)
        ) + np.log(self.prior / (1 - self.prior))
        self.depends = (0.5 * (1 + np.tanh(0.5 * log_ratio))).astype(np.float32)
        np.fill_diagonal(self.depends, 0)

    def _log_odds(self, users: npt.NDArray[np.int64], sign: Signs) -> float:
        """Σ x·I(s)·logit(acc): I is the probability that no better source of the same opinion was copied."""
        accuracy = self.look_up(self.accuracy, users, 0.7)
        independent = np.ones(len(users))
        dense = self.look_up(self.dense_row.astype(np.float64), users, -1.0).astype(np.int64)
        for side in (1, -1):
            members = np.flatnonzero((sign == side) & (dense >= 0))
            if len(members) > 1:
                members = members[np.argsort(-accuracy[members], kind="stable")]
                among = self.depends[np.ix_(dense[members], dense[members])]
                independent[members] = np.exp(np.tril(self._log_kept(among), -1).sum(axis=1))
        return float(np.sum(sign * independent * np.log(accuracy / (1 - accuracy))))

    def judge(self, rows: npt.NDArray[np.int64], sign: Signs) -> float:
        """The discounted vote."""
        return -self._log_odds(rows, sign)
