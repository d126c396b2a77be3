"""Baselines that count: majority, size, recent verdicts, participants' history, signed Beta naive Bayes."""

from __future__ import annotations

from itertools import islice

import numpy as np

from streams.contract.codes import FALSE
from streams.evaluate.baselines.stances import Ledger, logit
from streams.evaluate.cascades import CascadeSet


class Majority(Ledger):
    """Share of denials among the claim's assertions: nothing but the vote, so that size does not slip in."""

    name = "majority"

    def log_odds_of(self, claim: int) -> float:
        """Logit of denials / assertions; ½ without any."""
        _, sign = self.assertions(claim)
        return logit(float(np.mean(sign < 0))) if len(sign) else 0.0


class Size(Ledger):
    """Number of participants: what cascade size alone says. No probability."""

    name = "size"
    probabilistic = False

    def log_odds_of(self, claim: int) -> float:
        """Distinct participants so far."""
        return float(len(self.participants(claim)))


class RecentVerdictRate(Ledger):
    """Share of "false" among the last 20 verdicts: what the calendar alone says."""

    name = "recent_verdict_rate"

    def log_odds_of(self, claim: int) -> float:
        """Logit of (false + ½) / (verdicts + 1), the same for every claim."""
        latest = (verdict for c, (_, verdict) in reversed(self.settled.items()) if c not in self.withheld)
        recent = list(islice(latest, 20))
        return logit((sum(v == FALSE for v in recent) + 0.5) / (len(recent) + 1))


class UserHistory(Ledger):
    """Sum over participants of log((false + ½)/(true + ½)) of the settled claims they took part in."""

    name = "user_history"

    def __init__(self, data: CascadeSet) -> None:
        super().__init__(data)
        self.false = np.zeros(self.n_users)
        self.true = np.zeros(self.n_users)

    def count(self, claim: int, sign: int) -> None:
        """Count the verdict for everyone who took part before it."""
        batches, verdict = self.settled[claim]
        counts = self.false if verdict == FALSE else self.true
        counts[self.participants(claim, batches)] += sign

    def log_odds_of(self, claim: int) -> float:
        """The sum; a participant without history adds nothing."""
        who = self.participants(claim)
        return float(np.sum(np.log((self.false[who] + 0.5) / (self.true[who] + 0.5))))


class SignedBetaNaiveBayes(Ledger):
    """Naive Bayes over stances with a Beta posterior of each source's accuracy, weights of either sign.

    acc = (r + m·μ)/(r + e + m), m = 6, μ = .6; log-odds of true = Σ x·logit(acc).
    """

    name = "signed_beta_nb"
    strength, mean = 6.0, 0.6

    def __init__(self, data: CascadeSet) -> None:
        super().__init__(data)
        self.right = np.zeros(self.n_users)
        self.wrong = np.zeros(self.n_users)

    def count(self, claim: int, sign: int) -> None:
        """Count who was right and who was wrong before the verdict."""
        batches, verdict = self.settled[claim]
        users, stance = self.assertions(claim, batches)
        was_right = (stance > 0) != (verdict == FALSE)
        self.right[users[was_right]] += sign
        self.wrong[users[~was_right]] += sign

    def log_odds_of(self, claim: int) -> float:
        """−Σ x·logit(acc)."""
        users, sign = self.assertions(claim)
        right, wrong = self.right[users], self.wrong[users]
        accuracy = (right + self.strength * self.mean) / (right + wrong + self.strength)
        return -float(np.sum(sign * np.log(accuracy / (1 - accuracy))))
