"""Census: counts of a partition's state for those who watch, which change nothing."""

from __future__ import annotations

import numpy as np
import pytest

from streams.agents.publish import monitor
from streams.contract import metrics
from streams.contract.codes import FALSE, TRUE
from streams.contract.words import FLAG_RULES
from streams.scoring import cascade
from streams.scoring.census import Census
from streams.scoring.claims.claims_state import ClaimsState
from streams.scoring.claims.rising import BOUNDS, HORIZON_S
from streams.scoring.parameters.parameters_state import Learner
from streams.tables.blocks import Block
from tests.scoring.builders import Event, Pipeline, Ruling, events_block, rulings_block
from tests.scoring.test_learning import drawn, lessons

HOUR_MS = 3_600_000
T0 = 1_600_000_000_000


def burst(claim: str, count: int, start_ms: int = T0, community: str = "") -> list[Event]:
    """So many people assert a claim, one every ten seconds."""
    first = {"kind": 0, "root": 1}
    return [
        Event(f"{claim}-{n}", claim, f"{claim}/{n}", start_ms + 10_000 * n, community=community, **({} if n else first))
        for n in range(count)
    ]


def expected(state: ClaimsState, claim: str) -> float:
    """ΔN of a claim by the cascade's own functions, its kernels faded by hand to the latest event of all."""
    row = state.data.claims.find_one(claim)
    record = state.data.claims.view.records[row]
    passed_s = (int(state.data.claims["last_ms"].max()) - int(record["last_ms"])) / 1000
    p = min(float(cascade.infectiousness(record)[0]), 0.95)
    left = np.asarray(record["kernels"])[:-1] * np.exp(-passed_s / cascade.TAU_K_S)
    direct = float((left * cascade.A_K * cascade.TAU_K_S * (1 - np.exp(-HORIZON_S / cascade.TAU_K_S))).sum())
    return p * direct / (1 - p)


def test_open_claims_are_counted_by_what_they_are_expected_to_bring() -> None:
    line = Pipeline()
    sizes = {"single": 1, "small": 6, "large": 150, "old": 150}
    for origin, (claim, size) in enumerate(sizes.items()):
        start_ms = T0 - 200 * HOUR_MS if claim == "old" else T0
        line.feed(events_block(burst(claim, size, start_ms), origin=1 + 1_000 * origin))
    found = line.claims.census()
    assert found.open_claims == 4
    grown = {claim: expected(line.claims, claim) for claim in sizes}
    # However large it was, of a claim that brought nothing for six hours nothing is expected.
    bands = [int(np.searchsorted(BOUNDS, grown[claim], side="right")) for claim in sizes if claim != "old"] + [0]
    assert found.rising == tuple(np.bincount(bands, minlength=len(BOUNDS) + 1).tolist())
    assert grown["large"] > grown["small"] > grown["single"]
    assert len(set(bands)) > 2


def test_a_claim_with_a_verdict_or_without_posts_is_not_open() -> None:
    line = Pipeline()
    line.feed(events_block([*burst("a", 3), *burst("b", 3)]))
    line.feed(rulings_block([Ruling("a", FALSE, T0 + HOUR_MS)]))
    assert line.claims.census().open_claims == 1


def test_flags_and_switches_are_those_of_the_state() -> None:
    line = Pipeline()
    line.feed(Block("params", "p/0", 1, {}, {"version": 1, "values": {"flag_z": -9.0}}))
    line.feed(events_block(burst("a", 40)))
    found = line.claims.census()
    assert (found.standing[FLAG_RULES[0]], found.switches) == (1, {"paused": 0.0, "killed": 0.0})
    line.feed(Block("params", "p/0", 2, {}, {"version": 2, "values": {"flags_killed": 1.0}}))
    found = line.claims.census()
    assert (found.standing[FLAG_RULES[0]], found.switches) == (0, {"paused": 0.0, "killed": 1.0})


def test_a_census_changes_nothing() -> None:
    line = Pipeline()
    line.feed(events_block(burst("a", 40)))
    for table in line.claims.tables:
        table.take_delta()
    line.claims.census()
    assert not any(table.take_delta() for table in line.claims.tables)


def test_rulings_say_in_which_community_their_claims_began() -> None:
    line = Pipeline()
    line.feed(events_block([*burst("a", 3, community="north"), *burst("b", 3)]))
    block = rulings_block([Ruling("a", FALSE, T0), Ruling("b", TRUE, T0), Ruling("unknown", TRUE, T0)])
    (effects, *_) = line.claims.steps(block, line.now_ms)
    assert effects.ruled_in == ["north", "", ""]


def test_each_settled_claim_counts_once_with_the_risk_that_was_known_before_its_verdict() -> None:
    learner = Learner()
    rows = drawn(1, 300, 2.0)
    outcomes = [outcome for row in rows for outcome in learner.apply(lessons([row]), 0).settled]
    assert [false for _, false in outcomes] == [false for false, _ in rows]
    late = outcomes[150:]
    risks, false = np.array([risk for risk, _ in late]), np.array([found for _, found in late])
    # Learned from the verdicts before, and not from its own: it tells, and is calibrated.
    assert risks[false].mean() > risks[~false].mean() + 0.1
    assert risks.mean() == pytest.approx(false.mean(), abs=0.08)
    first = Learner().apply(lessons([rows[0]]), 0).settled
    second = Learner().apply(lessons([(not rows[0][0], rows[0][1])]), 0).settled
    assert first[0][0] == second[0][0]


def test_what_was_learned_is_told_once_anything_was() -> None:
    learner = Learner()
    assert learner.census() == Census()
    learner.apply(lessons(drawn(0, 40, 2.0)), 0)
    found = learner.census().learned
    assert found["flag_z"] == learner.values()["flag_z"]
    assert 0.0 < found["recent_false"] < 1.0
    assert found.keys() >= {*metrics.LEARNED}
    monitor.counted("parameters", 1, [learner.census()])
    told = metrics.REGISTRY.get_sample_value("credence_learned_value", {"parameter": "flag_precision"})
    assert told == found["flag_precision"]
