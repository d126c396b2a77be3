"""The prequential protocol: what a scorer may know when it is asked about a claim.

A claim's prediction at horizon h is made at t₀ + h from events strictly before that moment and from rulings released
strictly before it. Where moments tie, predictions come first, then releases, then events. Rulings on the claim itself
and on claims of its group never count: at the first such release that precedes one of the group's predictions, the
world forks, and the fork lives on without the group's rulings until the group's last prediction. A scorer that can
tell by itself what it would say without some rulings (`Scorer.aside`) is asked; any other is forked as a process, which
is always right and costs all the events in between once more for every group.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from streams.evaluate.cascades import CascadeSet, Codes, Ints, Rulings, Small
from streams.evaluate.forks import Forks

Floats = npt.NDArray[np.float64]


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

    def rule(self, claims: Codes, verdicts: Small, at_ms: int) -> None:
        """Take verdicts (1 true, 2 false) released at `at_ms`."""

    def aside(self, withheld: Codes) -> Predictor | None:
        """This scorer as it goes on without rulings on the withheld claims, none of which has been released yet.

        It hears of events and of all other rulings through the scorer itself, and predicts exactly as a copy of it
        would that had been fed and ruled apart. None: the scorer has no such way, and is copied.
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
        asked_ms = data.start_ms[claims][:, None] + np.asarray(horizons_ms, np.int64)[None, :]
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
        return cls(data, claims, rulings, tuple(horizons_ms), group, moments, data.asserted)

    def groups_asked(self, at: int) -> set[int]:
        """Groups of the claims that are predicted at moment `at`."""
        return {int(self.withhold_group[self.claims[row]]) for row, _ in self.moments.asked[at]}

    def last_asked(self) -> dict[int, int]:
        """Group → index of the last moment at which one of its claims is predicted."""
        last: dict[int, int] = {}
        for at in range(len(self.moments.times)):
            last.update(dict.fromkeys(self.groups_asked(at), at))
        return last


def run(trial: Trial, scorer: Scorer, tick: Callable[[int], None] = lambda events: None, jobs: int = 2) -> Forecast:
    """Put a scorer through the trial.

    Args:
        tick: called with the number of events consumed since the last call, for a progress bar.
        jobs: how many forks may run beside each other.
    """
    shape = (len(trial.claims), len(trial.horizons_ms))
    made = Forecast(
        scorer.name, scorer.probabilistic, trial.claims, trial.horizons_ms, np.zeros(shape), np.zeros(shape)
    )
    line = _Line(trial, scorer, made)
    forks: Forks[_ForkResult] = Forks(jobs)
    last_asked = trial.last_asked()
    forked: set[int] = set()
    asides: dict[int, Predictor] = {}
    for at in range(len(trial.moments.times)):
        tick(line.advance(at))
        line.predict(at, lambda group: group not in forked)
        for group in trial.groups_asked(at) & asides.keys():
            line.predict(at, group.__eq__, asides[group])
            if last_asked[group] == at:
                del asides[group]
        for group in line.groups_released(at):
            if group not in forked and last_asked.get(group, -1) > at:
                forked.add(group)
                aside = scorer.aside(np.flatnonzero(trial.withhold_group == group).astype(np.int32))
                if aside is not None:
                    asides[group] = aside
                else:
                    forks.start(_fork(trial, scorer, group, at, last_asked[group]))
        line.release(at, lambda group: True)
    tick(line.advance(None))
    made.seconds = line.seconds
    own = {f.claim: f for f in reversed(scorer.flags()) if int(trial.withhold_group[f.claim]) not in forked}
    for odds_of, score_of, flags in forks.results():
        for (row, column), odds in odds_of.items():
            made.log_odds[row, column], made.score[row, column] = odds, score_of[row, column]
        own.update({f.claim: f for f in flags})
    made.flags = _before_ruling(trial, own.values())
    return made


_ForkResult = tuple[dict[tuple[int, int], float], dict[tuple[int, int], float], list[Flag]]


def _fork(trial: Trial, scorer: Scorer, group: int, at: int, last: int) -> Callable[[], _ForkResult]:
    """Work of a fork: on from the releases of moment `at`, without the group's rulings, up to moment `last`."""

    def work() -> _ForkResult:
        shape = (len(trial.claims), len(trial.horizons_ms))
        made = Forecast("", True, trial.claims, trial.horizons_ms, np.zeros(shape), np.zeros(shape))
        line = _Line(trial, scorer, made, position=int(trial.moments.cut[at]))
        line.release(at, lambda g: g != group)
        asked: list[tuple[int, int]] = []
        for moment in range(at + 1, last + 1):
            line.advance(moment)
            asked += line.predict(moment, lambda g: g == group)
            line.release(moment, lambda g: g != group)
        flags = list({f.claim: f for f in reversed(scorer.flags()) if trial.withhold_group[f.claim] == group}.values())
        return {p: float(made.log_odds[p]) for p in asked}, {p: float(made.score[p]) for p in asked}, flags

    return work


@dataclass
class _Line:
    """One line of time: a scorer, how far it has come, and what it said."""

    trial: Trial
    scorer: Scorer
    made: Forecast
    position: int = 0
    seconds: float = 0.0

    def advance(self, at: int | None) -> int:
        """Feed the events before moment `at` (None: all); their number."""
        of = self.trial.of
        lo, hi = self.position, int(self.trial.moments.cut[at]) if at is not None else len(of)
        if hi > lo:
            asserted = self.trial.asserted[lo:hi]
            batch = Batch(of, lo, hi, asserted, of.t_ms[lo:hi], of.kind[lo:hi], of.claim[lo:hi], of.user[lo:hi])
            began = time.perf_counter()
            self.scorer.feed(batch)
            self.seconds += time.perf_counter() - began
            self.position = hi
        return hi - lo

    def predict(self, at: int, wanted: Callable[[int], bool], aside: Predictor | None = None) -> list[tuple[int, int]]:
        """Ask for the moment's predictions of the wanted groups; the (row, column) pairs that were answered."""
        trial = self.trial
        pairs = [p for p in trial.moments.asked[at] if wanted(int(trial.withhold_group[trial.claims[p[0]]]))]
        if pairs:
            claims = trial.claims[[row for row, _ in pairs]]
            began = time.perf_counter()
            odds, score = (aside or self.scorer).predict(claims, int(trial.moments.times[at]))
            self.seconds += time.perf_counter() - began
            if not (np.isfinite(odds).all() and np.isfinite(score).all()):
                raise ArithmeticError(f"{self.scorer.name} gave a risk or score that is not finite")
            for i, pair in enumerate(pairs):
                self.made.log_odds[pair], self.made.score[pair] = odds[i], score[i]
        return pairs

    def groups_released(self, at: int) -> Iterator[int]:
        """Groups of the claims that are ruled on at the moment."""
        for i in self.trial.moments.released[at]:
            yield int(self.trial.withhold_group[self.trial.rulings.claim[i]])

    def release(self, at: int, wanted: Callable[[int], bool]) -> None:
        """Release the moment's rulings on claims of the wanted groups."""
        rulings = self.trial.rulings
        released = self.trial.moments.released[at]
        picked = [i for i in released if wanted(int(self.trial.withhold_group[rulings.claim[i]]))]
        if picked:
            began = time.perf_counter()
            self.scorer.rule(rulings.claim[picked], rulings.verdict[picked], int(self.trial.moments.times[at]))
            self.seconds += time.perf_counter() - began


def _before_ruling(trial: Trial, flags: Iterable[Flag]) -> list[Flag]:
    first: dict[int, int] = {}
    for claim, t_ms in zip(trial.rulings.claim.tolist(), trial.rulings.t_ms.tolist(), strict=True):
        first[claim] = min(t_ms, first.get(claim, t_ms))
    return sorted(
        (f for f in flags if f.t_ms <= first.get(f.claim, f.t_ms)),
        key=lambda f: (f.t_ms, f.claim),
    )
