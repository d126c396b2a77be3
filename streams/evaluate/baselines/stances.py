"""Who said what on which claim, so far: the common memory of the baselines."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from streams.contract.codes import DENY
from streams.evaluate.cascades import CascadeSet, Codes, Ints, Small
from streams.evaluate.protocol import Batch, Flag, Predictor

Floats = npt.NDArray[np.float64]
Signs = npt.NDArray[np.int8]


_NOBODY, _NOTHING = np.zeros(0, np.int32), np.zeros(0, np.int8)


class Ledger:
    """Base of every baseline: keeps, by claim, participants and assertions in order of time; settles verdicts.

    Only the sizes of the set (numbers of claims and users) are taken from it at construction.
    """

    name = ""
    probabilistic = True

    def __init__(self, data: CascadeSet) -> None:
        self.n_claims = len(data.claim_ids)
        self.n_users = len(data.user_ids)
        self.truth = np.zeros(self.n_claims, np.int8)  # released verdicts
        self.settled: dict[int, tuple[int, int]] = {}  # claim → batches of it before its first verdict, and that one
        self.withheld: frozenset[int] = frozenset()  # claims whose verdicts do not count just now
        self._asserted: dict[int, tuple[int, Codes, Signs]] = {}  # claim → its assertions after so many batches
        self._users: list[list[Codes]] = [[] for _ in range(self.n_claims)]
        self._signs: list[list[Signs]] = [[] for _ in range(self.n_claims)]

    def feed(self, batch: Batch) -> None:
        """Remember the batch by claim. Sign: +1 supports, −1 denies, 0 asserts nothing."""
        order = np.argsort(batch.claim, kind="stable")
        claim, user = batch.claim[order], batch.user[order]
        asserted = batch.asserted[order]
        sign = np.where(asserted == DENY, -1, np.where(asserted > 0, 1, 0)).astype(np.int8)
        firsts = np.flatnonzero(np.concatenate([[True], claim[1:] != claim[:-1]]))
        ends = np.append(firsts[1:], len(claim))
        for c, lo, hi in zip(claim[firsts].tolist(), firsts.tolist(), ends.tolist(), strict=True):
            self._users[c].append(user[lo:hi])
            self._signs[c].append(sign[lo:hi])

    def participants(self, claim: int, batches: int | None = None) -> Codes:
        """Distinct users of the claim so far, or in its first batches."""
        parts = self._users[claim][:batches]
        return np.unique(np.concatenate(parts)) if parts else np.zeros(0, np.int32)

    def assertions(self, claim: int, batches: int | None = None) -> tuple[Codes, Signs]:
        """Users (ascending) who support or deny the claim, with the sign of their last assertion; as `participants`."""
        wanted = len(self._users[claim]) if batches is None else batches
        at, users, signs = self._asserted.get(claim, (-1, _NOBODY, _NOTHING))
        if at != wanted:
            users, signs = self._last_assertions(self._users[claim][:wanted], self._signs[claim][:wanted])
            self._asserted[claim] = (wanted, users, signs)
        return users, signs

    @staticmethod
    def _last_assertions(users: list[Codes], signs: list[Signs]) -> tuple[Codes, Signs]:
        if not users:
            return _NOBODY, _NOTHING
        user, sign = np.concatenate(users), np.concatenate(signs)
        user, sign = user[sign != 0][::-1], sign[sign != 0][::-1]
        each, last = np.unique(user, return_index=True)
        return each, sign[last]

    def rule(self, claims: Codes, verdicts: Small, at_ms: int | Ints) -> None:
        """Settle claims; `count` is called for each that was open."""
        for claim, verdict in zip(claims.tolist(), verdicts.tolist(), strict=True):
            self.truth[claim] = verdict
            if claim not in self.settled:
                self.settled[claim] = (len(self._users[claim]), verdict)
                self.count(claim, 1)

    def count(self, claim: int, sign: int) -> None:
        """Add (1) what the verdict in `settled` says, or take exactly that back (−1); by default nothing is counted."""

    def aside(self, withheld: Codes) -> Predictor:
        """The ledger without what verdicts on these claims say: taken out for a moment, whenever it is asked."""
        return _Without(self, frozenset(withheld.tolist()))

    def predict(self, claims: Codes, at_ms: int) -> tuple[Floats, Floats]:
        """Log-odds of false of each claim, and P(true) as its score."""
        odds = np.array([self.log_odds_of(c) for c in claims.tolist()], np.float64)
        return odds, 0.5 * (1 - np.tanh(0.5 * odds))

    def log_odds_of(self, claim: int) -> float:
        """Log-odds of false in nats (a baseline that is no probability: any ranking)."""
        raise NotImplementedError

    def flags(self) -> Sequence[Flag]:
        """Baselines raise no flags."""
        return ()


class _Without:
    """A ledger whose counts are rid of some verdicts while it predicts."""

    def __init__(self, ledger: Ledger, withheld: frozenset[int]) -> None:
        self.ledger = ledger
        self.withheld = withheld

    def predict(self, claims: Codes, at_ms: int) -> tuple[Floats, Floats]:
        """What the ledger would say without the verdicts. Counts are whole numbers: they come back exactly."""
        settled = self.withheld & self.ledger.settled.keys()
        self.ledger.withheld = self.withheld
        for claim in settled:
            self.ledger.count(claim, -1)
        try:
            return self.ledger.predict(claims, at_ms)
        finally:
            self.ledger.withheld = frozenset()
            for claim in settled:
                self.ledger.count(claim, 1)


def logit(p: float) -> float:
    """ln(p / (1 − p)), with p kept 1e-9 away from 0 and 1.

    >>> logit(0.5)
    0.0
    """
    p = min(max(p, 1e-9), 1 - 1e-9)
    return float(np.log(p / (1 - p)))
