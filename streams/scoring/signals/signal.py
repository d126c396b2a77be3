"""What a signal of the risk is, what it may look at, and what people are told of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from streams.scoring.cascade import Pace
from streams.scoring.config import ScoringConfig
from streams.scoring.numeric import Floats, Ints
from streams.tables.table import Table

T = TypeVar("T")

TIGHT, LOOSE, FREE = 0.07, 0.25, 1.0  # standard deviations: a few hundred verdicts refine, inform, or decide


class View:
    """Some claims as their signals see them: their columns, and what several signals share.

    Args:
        claims, parts: tables of a partition's claims and of their participants.
        rows: of the claims.
    """

    def __init__(self, claims: Table, parts: Table, rows: Ints, config: ScoringConfig) -> None:
        self.claims = claims
        self.parts = parts
        self.rows = rows
        self.config = config
        self._made: dict[Callable[[View], Any], Any] = {}

    def __getitem__(self, column: str) -> npt.NDArray[Any]:
        """A column of these claims."""
        return self.claims[column][self.rows]

    def once(self, make: Callable[[View], T]) -> T:
        """What a function makes of this view. It is called once; the signals of a family share its result."""
        if make not in self._made:
            self._made[make] = make(self)
        made: T = self._made[make]
        return made

    @cached_property
    def pace(self) -> Pace:
        """How fast each spreads at its latest event."""
        return Pace.of(self.claims, self.rows)

    @cached_property
    def known(self) -> Floats:
        """[claims] how many participants have a record, without those in nets."""
        return self["known"].astype(np.float64)

    @cached_property
    def people(self) -> Ints:
        """[claims] how many participants there are, known or not, without those in nets."""
        people: Ints = self["parts"] - self["netted"]
        return people

    @cached_property
    def _rooted(self) -> tuple[Ints, Ints]:
        """Which of the claims have a root, and the rows of who posted it."""
        root = self["root"]
        which = root.nonzero()[0]
        return which, root[which].astype(np.int64) - 1

    @property
    def root(self) -> Ints:
        """Rows of the participants who posted the roots, of the claims that have one."""
        return self._rooted[1]

    def of_claims(self, of_roots: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """[claims] a figure of each root's author, given in the order of `root`; 0 where there is no root."""
        figures = np.zeros(len(self.rows), np.int64 if of_roots.dtype.kind in "bi" else np.float64)
        figures[self._rooted[0]] = of_roots
        return figures


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
        compute: its values, one for each claim of the view.
        idea: what people are told of it.
        either: whether its weight may take either sign; it should start at 0, and goes where verdicts lead.
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
    compute: Callable[[View], Floats]
    idea: Idea
    either: bool = False
    shadow: bool = False
    untaught: float | None = None
    remember: float = 1.0


def first_post(crowd: Crowd) -> Ranked:
    """Who posted the claim first."""
    root = int(crowd.claims["root"][crowd.claim])
    return np.arange(root - 1, root if root else -1), np.zeros(1 if root else 0)
