"""What a signal of the risk is, what it may look at, and what people are told of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from streams.scoring.numeric import Floats, Ints
from streams.tables.table import Table

TIGHT, LOOSE, FREE = 0.1, 0.3, 1.0  # standard deviations: a few hundred verdicts refine, inform, or decide


@dataclass(frozen=True, slots=True)
class Crowd:
    """One claim and its participants, among whom there are events to read.

    Attributes:
        claims, parts: tables of a partition's claims and of their participants.
        claim: its row.
        rows: of its participants.
        false: whether to show what makes the claim look false, else what makes it look true.
    """

    claims: Table
    parts: Table
    claim: int
    rows: Ints
    false: bool

    @property
    def sign(self) -> float:
        """1 to look for what is high where claims are false, −1 for the reverse."""
        return 1.0 if self.false else -1.0


Ranked = tuple[Ints, Floats]  # participants to read, and how much each says


@dataclass(frozen=True, slots=True)
class Idea:
    """What people are told of a signal, or of several that hear the same thing in several ways, as one reason.

    Attributes:
        name: code of the reason.
        raises, lowers: what it says where it raises the risk, and where it lowers it.
        evidence: whose events to read in order to judge it; the strongest are shown.
    """

    name: str
    raises: str
    lowers: str
    evidence: Callable[[Crowd], Ranked]


@dataclass(frozen=True, slots=True)
class Signal:
    """One signal of the risk.

    Attributes:
        name: in parameters ("risk_" + name), explanations, flags and on the page.
        prior, sd: mean and standard deviation of its weight before any verdict, nats a unit of the signal. A weight
            that theory gives a sign stays at or above 0: the signal can only mean "false" where it is high.
        meaning: what it hears, for people.
        form: how it is computed, in short.
        compute: its value for one claim: a compiled function of the claim's record, the record of the participant who
            posted its root (of any, if `claim.root` is 0), and the settings and parameters by their names.
        idea: what people are told of it.
        either: whether its weight may take either sign; it should start near 0, and goes where verdicts lead.
        shadow: computed, kept in lessons and shown, without any effect.
        untaught: its weight where verdicts teach nothing (see `skill`), if that is not `prior`. It is 0 for signals
            that are made of records, since verdicts leave these.
        remember: share of what is known of its weight that is kept after one more verdict; 1: nothing is forgotten.
    """

    name: str
    prior: float
    sd: float
    meaning: str
    form: str
    compute: Callable[[Any, Any, Any], float]
    idea: Idea
    either: bool = False
    shadow: bool = False
    untaught: float | None = None
    remember: float = 1.0


def first_post(crowd: Crowd) -> Ranked:
    """Who posted the claim first."""
    root = int(crowd.claims["root"][crowd.claim])
    return np.arange(root - 1, root if root else -1), np.zeros(1 if root else 0)
