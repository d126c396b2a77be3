"""A scorer goes through a trial: one line of time for all claims, and a fork or an aside for each group set apart."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from streams.evaluate.forks import Forks
from streams.evaluate.protocol import Batch, Flag, Forecast, Fork, Predictor, Scorer, Trial

FINE_STOPS = 150_000  # of all forks of a trial, some twenty minutes of CPU; forks beyond go in larger steps


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
