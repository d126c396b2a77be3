"""The prequential protocol: what a scorer may know when it is asked about a claim.

A claim's prediction at horizon h is made at t₀ + h from events strictly before that moment and from rulings released
strictly before it. Where moments tie, predictions come first, then releases, then events. Rulings on the claim itself
and on claims of its group never count: at the first such release that precedes one of the group's predictions, the
world forks, and the fork lives on without the group's rulings until the group's last prediction. A scorer that can
tell by itself what it would say without some rulings (`Scorer.aside`) is asked; any other is forked as a process, which
is always right and costs all the events in between once more for every group. Where that would take hours, the longest
forks go in larger steps while nothing happens to their group (`Trial.stops`): every prediction still knows all that it
may and nothing else, but what came meanwhile was taken in by larger blocks, as a live worker takes it in.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from streams.evaluate.cascades import CascadeSet, Codes, Ints, Rulings, Small
from streams.evaluate.forks import Forks

Floats = npt.NDArray[np.float64]

FINE_STOPS = 150_000  # of all forks of a trial, some twenty minutes of CPU; forks beyond go in larger steps
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

        Every moment from before a claim of its group begins until its last prediction and its ruling are over, so that
        neither predictions nor flags come later than they would; else when STEP_ROWS events would be left for later.
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


def run(
    trial: Trial,
    scorer: Scorer,
    tick: Callable[[int, int], None] = lambda done, of: None,
    jobs: int = 2,
    fine: int = FINE_STOPS,
) -> Forecast:
    """Put a scorer through the trial.

    Args:
        tick: called with the number of events consumed so far and in all, those of forks included.
        jobs: how many forks may run beside each other.
        fine: how often forks may stop in all; those beyond, the longest, go in larger steps, see `Trial.stops`.
    """
    shape = (len(trial.claims), len(trial.horizons_ms))
    made = Forecast(
        scorer.name, scorer.probabilistic, trial.claims, trial.horizons_ms, np.zeros(shape), np.zeros(shape)
    )
    line = _Line(trial, scorer, made)
    apart = _Apart(trial, scorer, tick, jobs, fine)
    for at in range(len(trial.moments.times)):
        apart.tell(line.advance(at))
        line.predict(at, lambda group: group not in apart.begun)
        apart.predict(line, at)
        apart.begin(at)
        line.release([at], lambda group: True)
    apart.tell(line.advance(None))
    made.seconds = line.seconds
    own = {f.claim: f for f in reversed(scorer.flags()) if int(trial.withhold_group[f.claim]) not in apart.begun}
    for odds_of, score_of, flags in apart.forks.results():
        for (row, column), odds in odds_of.items():
            made.log_odds[row, column], made.score[row, column] = odds, score_of[row, column]
        own.update({f.claim: f for f in flags})
    made.flags = _before_ruling(trial, own.values())
    return made


class _Apart:
    """The groups whose rulings have been withheld so far: as forks, or as asides of the scorer."""

    def __init__(self, trial: Trial, scorer: Scorer, tick: Callable[[int, int], None], jobs: int, fine: int) -> None:
        self.trial = trial
        self.scorer = scorer
        self.begun: set[int] = set()
        self._planned: defaultdict[int, list[Fork]] = defaultdict(list)
        planned = trial.forks()
        for fork in planned:
            self._planned[fork.first].append(fork)
        self._asides: dict[int, tuple[Fork, Predictor]] = {}
        # A scorer that is asked aside says so at its first group; until then the forks' events count as to be done.
        self._hurried = trial.hurried(planned, fine)
        self._tick = tick
        self._done, self._all = 0, len(trial.of) + trial.events_again(planned)
        self.forks: Forks[_ForkResult] = Forks(jobs, done=self.tell)

    def tell(self, events: int) -> None:
        """So many events more are done."""
        self._done += events
        self._tick(self._done, self._all)

    def predict(self, line: _Line, at: int) -> None:
        """What the scorer says aside at the moment."""
        for group in self.trial.groups_asked(at) & self._asides.keys():
            fork, aside = self._asides[group]
            line.predict(at, group.__eq__, aside)
            if fork.last == at:
                del self._asides[group]

    def begin(self, at: int) -> None:
        """Set aside, or fork, the groups whose first ruling comes at the moment."""
        for fork in self._planned[at]:
            self.begun.add(fork.group)
            events = self.trial.events_again([fork])
            aside = self.scorer.aside(np.flatnonzero(self.trial.withhold_group == fork.group).astype(np.int32))
            if aside is not None:
                self._asides[fork.group] = fork, aside
                self._all -= events
            else:
                self.forks.start(_fork(self.trial, self.scorer, fork, fork.group in self._hurried), events)


_ForkResult = tuple[dict[tuple[int, int], float], dict[tuple[int, int], float], list[Flag]]


def _fork(trial: Trial, scorer: Scorer, fork: Fork, coarse: bool) -> Callable[[], _ForkResult]:
    """Work of a fork: on from the releases of its first moment, without its group's rulings."""

    def others(group: int) -> bool:
        return group != fork.group

    def work() -> _ForkResult:
        shape = (len(trial.claims), len(trial.horizons_ms))
        made = Forecast("", True, trial.claims, trial.horizons_ms, np.zeros(shape), np.zeros(shape))
        line = _Line(trial, scorer, made, position=int(trial.moments.cut[fork.first]))
        line.release([fork.first], others)
        asked: list[tuple[int, int]] = []
        passed = fork.first + 1
        for moment in trial.stops(fork) if coarse else range(passed, fork.last + 1):
            line.advance(moment)
            line.release(range(passed, moment), others)
            asked += line.predict(moment, fork.group.__eq__)
            line.release([moment], others)
            passed = moment + 1
        of_group = [f for f in reversed(scorer.flags()) if trial.withhold_group[f.claim] == fork.group]
        flags = list({f.claim: f for f in of_group}.values())
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

    def release(self, moments: Iterable[int], wanted: Callable[[int], bool]) -> None:
        """Release the moments' rulings on claims of the wanted groups."""
        rulings = self.trial.rulings
        released = [i for at in moments for i in self.trial.moments.released[at]]
        picked = [i for i in released if wanted(int(self.trial.withhold_group[rulings.claim[i]]))]
        if picked:
            began = time.perf_counter()
            self.scorer.rule(rulings.claim[picked], rulings.verdict[picked], rulings.t_ms[picked])
            self.seconds += time.perf_counter() - began


def _before_ruling(trial: Trial, flags: Iterable[Flag]) -> list[Flag]:
    first: dict[int, int] = {}
    for claim, t_ms in zip(trial.rulings.claim.tolist(), trial.rulings.t_ms.tolist(), strict=True):
        first[claim] = min(t_ms, first.get(claim, t_ms))
    return sorted(
        (f for f in flags if f.t_ms <= first.get(f.claim, f.t_ms)),
        key=lambda f: (f.t_ms, f.claim),
    )
