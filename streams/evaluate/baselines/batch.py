"""Baselines that fit sources and claims together: fitted anew as the stream grows, on the past only."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streams.contract.codes import FALSE, TRUE
from streams.evaluate.baselines.stances import Floats, Ledger, Signs
from streams.evaluate.cascades import CascadeSet, Codes, Small
from streams.evaluate.protocol import Batch, Predictor


@dataclass(frozen=True)
class Matrix:
    """Every (source, claim) once, with the sign of the last assertion; verdicts released so far.

    Attributes:
        user, claim: [assertions] compact codes, 0 … n_users−1 and n_claims−1.
        sign: [assertions] +1 supports, −1 denies.
        known: [claims] 0 open, 1 true, 2 false.
    """

    user: npt.NDArray[np.int64]
    claim: npt.NDArray[np.int64]
    sign: Signs
    known: Small
    n_users: int
    n_claims: int

    def per_user(self, values: Floats) -> Floats:
        """[users] sum of a value per assertion."""
        return np.bincount(self.user, values, self.n_users).astype(np.float64)

    def per_claim(self, values: Floats) -> Floats:
        """[claims] sum of a value per assertion."""
        return np.bincount(self.claim, values, self.n_claims).astype(np.float64)

    def clamp(self, p_true: Floats) -> Floats:
        """[claims] P(true) with released verdicts in place of estimates."""
        return np.where(self.known == TRUE, 1.0, np.where(self.known == FALSE, 0.0, p_true))


class Batched(Ledger):
    """A baseline whose sources are fitted on everything known, again whenever `growth` more of it has come.

    Between fits, sources keep their parameters and a claim is judged by its present assertions.
    """

    growth = 0.04

    def __init__(self, data: CascadeSet) -> None:
        super().__init__(data)
        self.assertions_seen = 0
        self._fitted = (-1, -1)  # assertions and verdicts at the last fit
        self._row_of_user = np.full(self.n_users, -1)

    def feed(self, batch: Batch) -> None:
        """Remember the batch and count what it asserts."""
        super().feed(batch)
        self.assertions_seen += int(np.count_nonzero(batch.asserted))

    def aside(self, withheld: Codes) -> Predictor:
        """The same without those verdicts from here on: fitted apart, when it is asked, on the same events."""
        return _Apart(self, withheld)

    def predict(self, claims: Codes, at_ms: int) -> tuple[Floats, Floats]:
        """Fit again if enough has come, then judge."""
        assertions, verdicts = self._fitted
        released = int(np.count_nonzero(self.truth))
        if (
            self.assertions_seen > (1 + self.growth) * assertions + 20
            or released > (1 + self.growth) * verdicts + 2
            or released < verdicts
        ):
            self._fitted = (self.assertions_seen, released)
            matrix = self.matrix()
            if len(matrix.user):
                self.fit(matrix)
        return super().predict(claims, at_ms)

    def answered(self) -> Codes:
        """Claims of which somebody asserts something: those of `matrix`, in its order."""
        said = [len(self.assertions(claim)[0]) for claim in range(self.n_claims)]
        return np.flatnonzero(said).astype(np.int32)

    def matrix(self) -> Matrix:
        """What is asserted now."""
        said = [self.assertions(claim) for claim in range(self.n_claims)]
        size = np.array([len(users) for users, _ in said])
        claims = np.flatnonzero(size)
        user = np.concatenate([users for users, _ in said])
        there = np.zeros(self.n_users, np.bool_)
        there[user] = True
        self._row_of_user = np.where(there, np.cumsum(there) - 1, -1)
        return Matrix(
            user=self._row_of_user[user],
            claim=np.repeat(np.arange(len(claims)), size[claims]),
            sign=np.concatenate([signs for _, signs in said]),
            known=self.truth[claims],
            n_users=int(there.sum()),
            n_claims=len(claims),
        )

    def fit(self, matrix: Matrix) -> None:
        """Estimate the sources' parameters."""
        raise NotImplementedError

    def log_odds_of(self, claim: int) -> float:
        """Log-odds of false from the present assertions, by sources as of the last fit."""
        users, sign = self.assertions(claim)
        return self.judge(self._row_of_user[users], sign)

    def judge(self, rows: npt.NDArray[np.int64], sign: Signs) -> float:
        """Log-odds of false given the sources' rows in the last fit (−1: new) and their signs."""
        raise NotImplementedError

    @staticmethod
    def look_up(fitted: Floats, rows: npt.NDArray[np.int64], fallback: float) -> Floats:
        """Fitted values of the rows, the fallback for new sources."""
        if not len(fitted):
            return np.full(len(rows), fallback)
        return np.where(rows >= 0, fitted[np.maximum(rows, 0)], fallback)


class _Apart:
    """A batched baseline that goes its own way from now on: its verdicts and its fits are its own, the events are not.

    A fit replaces what was fitted and never writes into it, so a shallow copy is enough.
    """

    def __init__(self, whole: Batched, withheld: Codes) -> None:
        self.whole = whole
        self.apart = copy.copy(whole)
        self.withheld = withheld

    def predict(self, claims: Codes, at_ms: int) -> tuple[Floats, Floats]:
        """From all events so far and the other verdicts, fitted again if enough has come since the last time."""
        self.apart.truth = self.whole.truth.copy()
        self.apart.truth[self.withheld] = 0
        self.apart.assertions_seen = self.whole.assertions_seen
        return self.apart.predict(claims, at_ms)
