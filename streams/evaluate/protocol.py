"""The prequential protocol: what a scorer may know when it is asked about a claim.

A claim's prediction at horizon h is made at t₀ + h. It may use events strictly before that moment, and rulings released
strictly before it. Where moments tie, predictions come first, then releases, then events.

Rulings on the claim itself and on claims of its group never count. So the world forks at the first such release that
precedes one of the group's predictions, and the fork goes on without the group's rulings until the group's last
prediction. A scorer that can tell what it would say without some rulings is asked (`Scorer.aside`). Any other is forked
as a process: that is always right, and costs all the events in between once more for every group.

Where that would take hours, the longest forks go in larger steps while nothing happens to their group (`Trial.stops`).
Every prediction still knows all that it may and nothing else. But what came meanwhile was taken in by larger blocks, as
a live worker takes it in.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from streams.evaluate.cascades import CascadeSet, Codes, Ints, Rulings, Small

Floats = npt.NDArray[np.float64]

STEP_ROWS = 4096  # events that a fork in larger steps may leave for later


@dataclass(frozen=True)
class Batch:
    """Consecutive events lo ≤ i < hi of a set, in order of time. `of` gives names; rows beyond hi are the future."""

    of: CascadeSet
    lo: int
    hi: int
    asserted: Small
    t_ms: Ints
    kind: Small
    claim: Codes
    user: Codes


@dataclass(frozen=True)
class Flag:
    """A claim that a scorer would show to a person, and when."""

    claim: int
    t_ms: int


class Predictor(Protocol):
    """What can be asked."""

    def predict(self, claims: Codes, at_ms: int) -> tuple[Floats, Floats]:
        """(log-odds of false in nats, score) of the claims as known at `at_ms`; score is public corroboration, 0 to 1.

        Log-odds, because a probability in floating point cannot rank what lies beyond 1 − 1e-16.
        """


class Scorer(Predictor, Protocol):
    """What is put to the test. Calls come in order of event time; nothing of the future is ever passed.

    Attributes:
        name: as in reports.
        probabilistic: whether the log-odds are meant as such, so that Brier score and calibration mean something; else
            they are only a ranking.
    """

    name: str
    probabilistic: bool

    def feed(self, batch: Batch) -> None:
        """Take events, in order of time."""

    def rule(self, claims: Codes, verdicts: Small, at_ms: int | Ints) -> None:
        """Take verdicts (1 true, 2 false) released at `at_ms`, all at one moment or each at its own, ascending."""

    def aside(self, withheld: Codes) -> Predictor | None:
        """This scorer as it goes on without rulings on the withheld claims, none of which has been released yet.

        Events and all other rulings reach it through this scorer. It predicts exactly what a copy would that was fed
        and ruled apart. None: the scorer has no such way, and is copied.
        """

    def flags(self) -> Sequence[Flag]:
        """Every flag raised so far."""


@dataclass
class Forecast:
    """What one scorer said. Rows: evaluated claims in order of t₀; columns: horizons.

    Attributes:
        log_odds, score: [claims, horizons] see `Scorer.predict`.
        flags: only those raised before the flagged claim's own ruling.
        seconds: time spent in the scorer, without the forks.
    """

    name: str
    probabilistic: bool
    claims: Codes
    horizons_ms: tuple[int, ...]
    log_odds: Floats
    score: Floats
    flags: list[Flag] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def risk(self) -> Floats:
        """[claims, horizons] P(false)."""
        return np.asarray(0.5 * (1 + np.tanh(0.5 * self.log_odds)))


@dataclass(frozen=True)
class Moments:
    """Everything that happens to a scorer besides events, by time.

    Attributes:
        times: distinct moments in ms, ascending; `cut[i]` events lie strictly before `times[i]`.
        asked: per moment, rows of `claims` and horizon columns to predict.
        released: per moment, indices into `rulings`.
    """

    times: Ints
    cut: Ints
    asked: list[list[tuple[int, int]]]
    released: list[list[int]]


@dataclass(frozen=True)
class Trial:
    """A set, its releases, and what is asked: the same for every scorer."""

    of: CascadeSet
    claims: Codes
    rulings: Rulings
    horizons_ms: tuple[int, ...]
    start_ms: Ints  # [claims of the set] t₀
    withhold_group: Codes  # [claims of the set] rulings on claims of one's own number are withheld
    moments: Moments
    asserted: Small

    @classmethod
    def of_set(cls, data: CascadeSet, horizons_ms: Sequence[int], lag_ms: int, groups: str = "withheld") -> Trial:
        """Plan the trial. groups: "withheld" (rulings on claims of the same group never count) or "released"."""
        if groups not in ("withheld", "released"):
            raise ValueError(f"groups must be withheld or released, not {groups!r}")
        claims = data.evaluated()
        rulings = data.rulings(lag_ms)
        start_ms = data.start_ms
        asked_ms = start_ms[claims][:, None] + np.asarray(horizons_ms, np.int64)[None, :]
        times = np.unique(np.concatenate([asked_ms.ravel(), rulings.t_ms]))
        asked: list[list[tuple[int, int]]] = [[] for _ in times]
        released: list[list[int]] = [[] for _ in times]
        for row in range(len(claims)):
            for column, at in enumerate(np.searchsorted(times, asked_ms[row]).tolist()):
                asked[at].append((row, column))
        for i, at in enumerate(np.searchsorted(times, rulings.t_ms).tolist()):
            released[at].append(i)
        cut = np.searchsorted(data.t_ms, times, side="left")
        own = np.arange(len(data.claim_ids), dtype=np.int32)
        group = data.group if groups == "withheld" else own
        moments = Moments(times, cut, asked, released)
        return cls(data, claims, rulings, tuple(horizons_ms), start_ms, group, moments, data.asserted)

    def groups_asked(self, at: int) -> set[int]:
        """Groups of the claims that are predicted at moment `at`."""
        return {int(self.withhold_group[self.claims[row]]) for row, _ in self.moments.asked[at]}

    def forks(self) -> list[Fork]:
        """Where the world forks and until when each fork lives, in order of time."""
        last: dict[int, int] = {}
        for at in range(len(self.moments.times)):
            last.update(dict.fromkeys(self.groups_asked(at), at))
        begun: dict[int, Fork] = {}
        for at, released in enumerate(self.moments.released):
            for group in self.withhold_group[self.rulings.claim[released]].tolist():
                if group not in begun and last.get(group, -1) > at:
                    begun[group] = Fork(group, at, last[group])
        return list(begun.values())

    def hurried(self, forks: Iterable[Fork], fine: int) -> set[int]:
        """Groups whose forks go in larger steps: the longest ones, if all would stop more than `fine` times."""
        found: set[int] = set()
        stops = 0
        for fork in sorted(forks, key=lambda fork: fork.last - fork.first):
            stops += fork.last - fork.first
            if stops > fine:
                found.add(fork.group)
        return found

    def stops(self, fork: Fork) -> list[int]:
        """Moments at which a fork in larger steps stops.

        It stops at every moment while a claim of its group is under way: from just before the claim begins until its
        last prediction and its ruling are over. So neither predictions nor flags come late. Else it stops only where
        more than STEP_ROWS events would be left for later.
        """
        times, cut = self.moments.times, self.moments.cut
        over = self.start_ms + max(self.horizons_ms)
        np.maximum.at(over, self.rulings.claim, self.rulings.t_ms)
        busy = np.zeros(len(times) + 1, bool)
        for claim in np.flatnonzero(self.withhold_group == fork.group).tolist():
            first = int(np.searchsorted(times, self.start_ms[claim], side="left"))
            busy[max(first - 1, 0) : int(np.searchsorted(times, over[claim], side="right"))] = True
        found, at = [], int(cut[fork.first])
        for moment in range(fork.first + 1, fork.last + 1):
            if busy[moment] or moment == fork.last or cut[moment + 1] - at > STEP_ROWS:
                found.append(moment)
                at = int(cut[moment])
        return found

    def events_again(self, forks: Iterable[Fork]) -> int:
        """How many events the forks are fed, in all."""
        return sum(int(self.moments.cut[fork.last] - self.moments.cut[fork.first]) for fork in forks)


@dataclass(frozen=True)
class Fork:
    """A group whose rulings are withheld from the releases of moment `first` to the predictions of moment `last`."""

    group: int
    first: int
    last: int
