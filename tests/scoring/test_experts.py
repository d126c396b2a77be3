"""By whose weights a risk came about: exact after any verdicts, believed or not, and with an operator's word."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.scoring.claims.explain import EXPERTS
from streams.scoring.parameters.mixture import Mixture
from streams.scoring.parameters.parameters_state import Learner
from streams.scoring.parameters.skill import Skill
from streams.scoring.signals.registry import IDEA_OF, IDEAS, PRIOR_WEIGHTS, REGISTRY, SIGNALS, UNTAUGHT_WEIGHTS
from streams.tables.blocks import Block
from tests.scoring.builders import NOW_MS, Event, Ruling, event_lists, rulings_block
from tests.scoring.test_claims import WEIGHTS, fold, stamped
from tests.scoring.test_learning import drawn, lessons

IN_USE = np.array([not signal.shadow for signal in REGISTRY])


def version_of(learner: Learner, **given: float) -> Block:
    """The next version, after an operator set these parameters."""
    said = Block("params", "o/0", 1, {}, {"version": 1, "values": given})
    (version,) = [block for effects in learner.steps(said, 0) for block in effects.blocks]
    return version


def state_of(learner: Learner, name: str, elements: list[str], default: Any) -> Any:
    rows = learner.state.find([f"{name}/{element}" for element in elements])
    return learner.state["v"][rows] if rows.min() >= 0 else np.array(default, np.float64)


def by_idea(weights: Any, signals: Any, slope: float) -> dict[str, float]:
    return dict(zip(IDEAS, np.bincount(IDEA_OF, IN_USE * weights * signals * slope).tolist(), strict=True))


@settings(max_examples=40)
@given(
    event_lists(max_size=60), WEIGHTS, st.integers(0, 99), st.integers(0, 120), st.sampled_from([2.0, 0.0, -2.0]),
    st.sampled_from([0, 1, 2]),
    st.dictionaries(st.sampled_from(["risk_vote", "risk_slow", "risk_history", "risk_bias"]), st.floats(-2, 2)),
)  # fmt: skip
def test_parts_by_expert_add_up_to_the_risk_and_are_those_of_each_experts_weights(
    events: list[Event], weights: list[float], seed: int, n: int, effect: float, verdict: int, said: dict[str, float]
) -> None:
    learner = Learner()
    learner.apply(lessons(drawn(seed, n, effect)), 0)
    version = version_of(learner, **said)
    claim, state = events[0].claim, fold([stamped(events, weights)])
    state.apply(version, NOW_MS)
    if verdict:
        state.apply(rulings_block([Ruling(claim, verdict, events[0].t + 1)]), NOW_MS)
    risk, signals = state.explain(claim)["risk"], state.read([claim])["signals"][0]
    apart = [reason["weight"] for reason in risk["reasons"] if reason["code"] in ("start", "ruling")]
    told = {expert["code"]: expert for expert in risk["experts"]}
    assert sum(apart) + sum(each["weight"] for each in told.values()) == pytest.approx(risk["log_odds"], abs=1e-9)

    trust = Skill(state_of(learner, "skill", list("0123"), np.zeros(4))).trust
    mixed = trust * Mixture(state_of(learner, "mixture", ["0", "1"], np.zeros(2))).shares
    beta = state_of(learner, "beta", list(SIGNALS), PRIOR_WEIGHTS)
    slope = float(version.meta["values"]["risk_cal_b"])
    experts = {
        "prior": (mixed[0], np.array(PRIOR_WEIGHTS)), "learned": (mixed[1], beta),
        "untaught": (1 - trust, np.array(UNTAUGHT_WEIGHTS)),
    }  # fmt: skip
    found = sum(share * weight for share, weight in experts.values())
    given_weights = [
        said[f"risk_{name}"] - w if f"risk_{name}" in said else 0.0 for name, w in zip(SIGNALS, found, strict=True)
    ]
    for code, (share, of) in {**experts, "given": (1.0, np.array(given_weights))}.items():
        parts = {part["code"]: part["weight"] for part in told[code]["parts"]} if code in told else {}
        wanted = by_idea(share * of, signals, slope)
        assert {idea: parts.get(idea, 0.0) for idea in IDEAS} == pytest.approx(wanted, abs=1e-9), code
        if code in told:
            assert told[code]["share"] == (None if code == "given" else pytest.approx(share, abs=1e-9))
            assert told[code]["weight"] == pytest.approx(sum(parts.values()), abs=1e-9)
    sums = {
        idea: sum(p["weight"] for each in told.values() for p in each["parts"] if p["code"] == idea) for idea in IDEAS
    }
    assert {r["code"]: sums[r["code"]] for r in risk["reasons"] if r["code"] in IDEAS} == pytest.approx(
        {r["code"]: r["weight"] for r in risk["reasons"] if r["code"] in IDEAS}, abs=1e-9
    )


def test_verdicts_that_nothing_predicts_leave_a_part_to_the_untaught_weights() -> None:
    learner, rng = Learner(), np.random.default_rng(5)
    learner.apply(lessons([(bool(rng.random() < 0.5), signals) for _, signals in drawn(5, 600, 0.0)]), 0)
    events = [Event(f"u{i}", "c", f"e{i}", t=1_600_000_000_000 + i, stance=i % 3) for i in range(9)]
    state = fold([stamped(events, [1.0] * 9)])
    state.apply(version_of(learner, risk_vote=2.0), NOW_MS)
    told = {expert["code"]: expert for expert in state.explain("c")["risk"]["experts"]}
    assert list(told) == list(EXPERTS)
    assert told["untaught"]["share"] > 0.9


def test_a_version_of_before_there_were_shares_is_told_as_half_of_before_and_the_rest_learned() -> None:
    state = fold([stamped([Event(f"u{i}", "c", f"e{i}", t=i, stance=i % 3) for i in range(9)], [1.0] * 9)])
    state.apply(Block("params", "p/0", 1, {}, {"version": 1, "values": {"risk_vote": 3.0, "risk_slow": 0.1}}), NOW_MS)
    risk = state.explain("c")["risk"]
    start = next(reason["weight"] for reason in risk["reasons"] if reason["code"] == "start")
    assert [(expert["code"], expert["share"]) for expert in risk["experts"]] == [("prior", 0.5), ("learned", 0.5)]
    assert start + sum(expert["weight"] for expert in risk["experts"]) == pytest.approx(risk["log_odds"], abs=1e-9)
