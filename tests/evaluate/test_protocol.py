"""The prequential protocol: what a scorer is told, when, and that nothing of the future reaches it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from streams.evaluate.attacks import ATTACKS, attack
from streams.evaluate.baselines import BASELINES
from streams.evaluate.cascades import CascadeSet
from streams.evaluate.evaluation import Options, evaluate
from streams.evaluate.ours import Core
from streams.evaluate.protocol import Batch, Flag, Scorer, Trial
from streams.evaluate.report import show
from streams.evaluate.synthetic import WorldSettings, make_world
from streams.evaluate.trial_run import FINE_STOPS, run
from streams.scoring.communities.communities_state import GroupsConfig, GroupsState
from streams.scoring.communities.coordination import CoordinationConfig
from tests.evaluate.builders import HOUR_MS, cascades

SCORERS: dict[str, Callable[[CascadeSet], Scorer]] = {"ours": Core, **BASELINES}


class Witness:
    """Writes down what it is told; answers with how many events and verdicts it has heard of."""

    name = "witness"
    probabilistic = False

    def __init__(self) -> None:
        self.events = 0
        self.verdicts: list[int] = []

    def feed(self, batch: Batch) -> None:
        self.events += batch.hi - batch.lo

    def rule(self, claims: np.ndarray, verdicts: np.ndarray, at_ms: int | np.ndarray) -> None:
        self.verdicts += claims.tolist()

    def predict(self, claims: np.ndarray, at_ms: int) -> tuple[np.ndarray, np.ndarray]:
        return np.full(len(claims), float(self.events)), np.full(len(claims), float(len(self.verdicts)))

    def aside(self, withheld: np.ndarray) -> None:
        return None

    def flags(self) -> list[Flag]:
        return []


class Copied:
    """A scorer that cannot tell what it would say without some rulings, so that the world is forked as a process."""

    def __init__(self, scorer: Scorer) -> None:
        self.name, self.probabilistic = scorer.name, scorer.probabilistic
        self.feed, self.rule, self.predict, self.flags = scorer.feed, scorer.rule, scorer.predict, scorer.flags

    def aside(self, withheld: np.ndarray) -> None:
        return None


def told(data: CascadeSet, horizons: tuple[int, ...], lag: int, groups: str = "withheld") -> tuple[list, list]:
    made = run(Trial.of_set(data, horizons, lag, groups), Witness())
    return made.log_odds.tolist(), made.score.tolist()


def test_a_prediction_uses_events_strictly_before_it_and_all_of_them() -> None:
    rows = [(0, "post", "a", "u1", ""), (HOUR_MS - 1, "reshare", "a", "u2", ""), (HOUR_MS, "reshare", "a", "u3", "")]
    events, _ = told(cascades(rows, {"a": "true"}), (HOUR_MS,), 24 * HOUR_MS)
    assert events == [[2.0]]


def test_at_a_tie_predictions_come_before_releases_and_releases_before_events() -> None:
    # b is predicted at the very moment at which a's ruling is released and c begins.
    rows = [(0, "post", "a", "u1", ""), (HOUR_MS, "post", "b", "u2", ""), (2 * HOUR_MS, "post", "c", "u3", "")]
    data = cascades(rows, {"a": "false", "b": "true", "c": "true"})
    events, verdicts = told(data, (HOUR_MS,), 2 * HOUR_MS)
    assert events == [[1.0], [2.0], [3.0]]
    assert verdicts == [[0.0], [0.0], [1.0]]


def test_a_claims_own_ruling_never_counts_even_when_it_comes_before_the_horizon() -> None:
    rows = [(0, "post", "a", "u1", ""), (10, "post", "b", "u2", "")]
    _, verdicts = told(cascades(rows, {"a": "false", "b": "true"}), (5 * HOUR_MS,), HOUR_MS)
    assert verdicts == [[1.0], [1.0]]  # each hears of the other's ruling alone


def test_rulings_on_the_same_story_are_withheld_unless_groups_are_released() -> None:
    rows = [(0, "post", "a", "u1", ""), (3 * HOUR_MS, "post", "b", "u2", ""), (4 * HOUR_MS, "post", "c", "u3", "")]
    data = cascades(rows, {"a": "false", "b": "false", "c": "true"}, {"a": "g", "b": "g"})
    assert told(data, (HOUR_MS,), HOUR_MS)[1] == [[0.0], [0.0], [2.0]]  # b hears nothing of a; c of both
    assert told(data, (HOUR_MS,), HOUR_MS, "released")[1] == [[0.0], [1.0], [2.0]]


def test_unverified_claims_bring_events_but_no_rulings_and_are_not_evaluated() -> None:
    rows = [(0, "post", "x", "u1", ""), (5, "post", "a", "u2", "")]
    trial = Trial.of_set(cascades(rows, {"x": "unverified", "a": "true"}), (HOUR_MS,), HOUR_MS)
    assert [trial.of.claim_ids[c] for c in trial.claims] == ["a"]
    assert trial.rulings.claim.tolist() == [1]
    assert run(trial, Witness()).log_odds.tolist() == [[2.0]]


def small_world() -> CascadeSet:
    settings = WorldSettings(sources=150, claims=60, days=40, assertions_log_mean=2.0, verdict_share=0.7, burn_in=0.0)
    return make_world("small", 3, settings)


@pytest.mark.parametrize("name", SCORERS)
def test_the_future_planted_in_the_data_changes_no_prediction(name: str) -> None:
    """Whatever happens after a moment, and whatever rulings come later, predictions before it stay what they were."""
    data = small_world()
    moment = int(np.quantile(data.t_ms, 0.6))
    rng = np.random.default_rng(0)
    future = data.t_ms >= moment
    rulings = data.own_rulings
    assert rulings is not None
    late = rulings.t_ms >= moment
    planted = replace(
        data,
        user=np.where(future, rng.permutation(data.user), data.user).astype(np.int32),
        stance=np.where(future, 3 - data.stance, data.stance).astype(np.int8),
        truth=(3 - data.truth).astype(np.int8),
        own_rulings=replace(rulings, verdict=np.where(late, 3 - rulings.verdict, rulings.verdict).astype(np.int8)),
    )
    horizons = (HOUR_MS, 24 * HOUR_MS)
    before, after = (run(Trial.of_set(d, horizons, 0), SCORERS[name](d)) for d in (data, planted))
    asked_ms = data.start_ms[before.claims][:, None] + np.array(horizons)
    past = asked_ms <= moment
    assert past.sum() > 10
    assert np.array_equal(before.log_odds[past], after.log_odds[past])
    assert np.array_equal(before.score[past], after.score[past])
    if name not in ("size", "recent_verdict_rate"):
        assert not np.array_equal(before.log_odds, after.log_odds)  # the test would notice


def stories() -> CascadeSet:
    data = small_world()
    return replace(data, group=(np.arange(len(data.claim_ids)) % 20).astype(np.int32))


@pytest.mark.parametrize("fine", [0, FINE_STOPS])
@pytest.mark.parametrize("name", ["ours", "user_history", "dawid_skene"])
def test_a_fork_leaves_no_trace_of_the_withheld_ruling(name: str, fine: int) -> None:
    """Turning a ruling over changes no prediction of a claim of the same group."""
    data = stories()
    rulings = data.own_rulings
    assert rulings is not None
    flipped = rulings.verdict.copy()
    flipped[0] = 3 - flipped[0]
    turned = replace(data, own_rulings=replace(rulings, verdict=flipped))
    trials = [Trial.of_set(d, (HOUR_MS, 24 * HOUR_MS), 0) for d in (data, turned)]
    one, other = (run(trial, SCORERS[name](trial.of), fine=fine) for trial in trials)
    same = data.group[one.claims] == data.group[rulings.claim[0]]
    assert same.any()
    assert np.array_equal(one.log_odds[same], other.log_odds[same])
    assert not np.array_equal(one.log_odds, other.log_odds)


def test_in_larger_steps_a_prediction_hears_of_all_that_it_may_and_of_nothing_else() -> None:
    trial = Trial.of_set(stories(), (HOUR_MS, 24 * HOUR_MS), HOUR_MS)
    assert len(trial.forks()) > 10
    assert sum(len(trial.stops(f)) for f in trial.forks()) < sum(f.last - f.first for f in trial.forks()) / 2
    fine, coarse = (run(trial, Witness(), fine=stops) for stops in (FINE_STOPS, 0))
    assert np.array_equal(fine.log_odds, coarse.log_odds)
    assert np.array_equal(fine.score, coarse.score)


def test_in_larger_steps_our_risk_stays_near_what_it_is_in_small_ones() -> None:
    data = stories()
    trial = Trial.of_set(data, (HOUR_MS, 24 * HOUR_MS), HOUR_MS)
    fine, coarse = (run(trial, Core(data), fine=stops) for stops in (FINE_STOPS, 0))
    apart = np.abs(fine.log_odds - coarse.log_odds)
    assert np.median(apart) < 0.02
    # What is learned from several verdicts at once is not what is learned from one after the other.
    assert np.corrcoef(fine.log_odds.ravel(), coarse.log_odds.ravel())[0, 1] > 0.97


def test_the_longest_forks_go_in_larger_steps_and_the_others_in_small_ones() -> None:
    trial = Trial.of_set(replace(stories(), own_rulings=None), (HOUR_MS, 24 * HOUR_MS), HOUR_MS)
    forks = trial.forks()
    lengths = sorted(fork.last - fork.first for fork in forks)
    assert trial.hurried(forks, sum(lengths)) == set()
    assert trial.hurried(forks, 0) == {fork.group for fork in forks}
    longest = trial.hurried(forks, sum(lengths[:-3]))
    assert sorted(fork.last - fork.first for fork in forks if fork.group in longest) == lengths[-3:]


@pytest.mark.parametrize(("fine", "share"), [(FINE_STOPS, 0), (0, 1)])
def test_the_report_says_how_many_forks_went_in_larger_steps(fine: int, share: int) -> None:
    data = replace(stories(), own_rulings=None)
    report = evaluate(data, Options(lag_ms=HOUR_MS, baselines=(), fine=fine)).report
    forks = len(Trial.of_set(data, (HOUR_MS, 24 * HOUR_MS), HOUR_MS).forks())
    assert (report["protocol"]["forks"], report["protocol"]["forks_in_larger_steps"]) == (forks, share * forks)
    console = Console(record=True, width=200)
    show(report, console)
    assert f"{forks} forks, {share * forks} in larger steps" in console.export_text()


@pytest.mark.parametrize("window", [1 << 19, 300])
def test_participations_that_wait_for_a_look_leave_the_same_world(window: int) -> None:
    data = attack(small_world(), "camouflaged", 0.5)
    trial = Trial.of_set(data, (HOUR_MS,), HOUR_MS, "released")
    nets = CoordinationConfig(shared_min=2, members_min=2, degree_min=1, npmi_same=0.0)
    settings = GroupsConfig(communities=0, window=window, every=50, coordination=nets)
    waiting, plain = Core(data, groups=settings), Core(data)
    plain.groups = GroupsState(plain.config, 0, settings)
    one, other = run(trial, waiting), run(trial, plain)
    assert (waiting.sources.sources["cluster"] > 0).any()
    assert waiting.sources.sources.difference(plain.sources.sources) == 0
    assert np.array_equal(one.log_odds, other.log_odds)


@pytest.mark.parametrize("scorer", [Core, BASELINES["user_history"]])
def test_progress_ends_at_all_that_was_to_be_done_forks_included(scorer: Callable[[CascadeSet], Scorer]) -> None:
    data = stories()
    said: list[tuple[int, int]] = []
    run(Trial.of_set(data, (HOUR_MS,), HOUR_MS), scorer(data), lambda done, of: said.append((done, of)))
    assert said[-1][0] == said[-1][1] >= len(data)
    assert [done for done, _ in said] == sorted(done for done, _ in said)
    if scorer is Core:
        assert said[-1][1] > len(data)


@pytest.mark.parametrize("name", BASELINES)
@pytest.mark.parametrize("stories", [3, 20])
def test_a_baseline_set_aside_says_what_a_forked_one_says_to_the_last_digit(name: str, stories: int) -> None:
    data = small_world()
    group = np.random.default_rng(stories).integers(0, stories, len(data.claim_ids))  # many groups under way at once
    data = replace(data, group=group.astype(np.int32), own_rulings=None)
    trial = Trial.of_set(data, (HOUR_MS, 24 * HOUR_MS, 96 * HOUR_MS), 24 * HOUR_MS)
    fast, plain = run(trial, BASELINES[name](data)), run(trial, Copied(BASELINES[name](data)))
    assert np.array_equal(fast.log_odds, plain.log_odds)
    assert np.array_equal(fast.score, plain.score)
    if name not in ("majority", "size"):
        released = run(Trial.of_set(data, trial.horizons_ms, 24 * HOUR_MS, "released"), BASELINES[name](data))
        assert not np.array_equal(fast.log_odds, released.log_odds)  # the test would notice


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_moves_neither_starts_nor_labels(name: str) -> None:
    data = small_world()
    hit = attack(data, name, 0.5, seed=1)
    assert np.array_equal(hit.start_ms, data.start_ms)
    assert np.array_equal(hit.truth, data.truth)
    assert hit.attacked is not None
    assert hit.attacked.any()
    assert np.all(np.diff(hit.t_ms) >= 0)
    if name == "poison":
        assert hit.own_rulings is not None
        assert data.own_rulings is not None
        assert (hit.own_rulings.verdict != data.own_rulings.verdict).mean() == pytest.approx(0.5, abs=0.1)
    else:
        assert len(hit) > len(data)


def test_an_unknown_attack_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="no attack 'flood'"):
        attack(small_world(), "flood")


def test_an_unknown_attack_is_refused_before_a_set_is_read() -> None:
    with pytest.raises(ValueError, match="no attack 'flood'"):
        Options(attack="flood")
