"""Gates: held open one by one they let through what they are there to stop, and they say how often they act."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from streams.cli.main import app
from streams.evaluate import ablation, gates
from streams.evaluate.attacks import attack
from streams.evaluate.cascades import CascadeSet
from streams.evaluate.evaluation import Options, evaluate
from streams.evaluate.synthetic import WorldSettings, make_world
from streams.scoring.parameters.parameters_state import SHARE, Learner
from streams.scoring.signals.nets import NETS
from streams.scoring.signals.registry import SIGNALS
from tests.evaluate.builders import HOUR_MS, cascades

WORLD = WorldSettings(sources=300, claims=100, days=60, assertions_log_mean=2.0, verdict_share=0.7, burn_in=0.0)
OPTIONS = Options(horizons_ms=(HOUR_MS,), lag_ms=48 * HOUR_MS, baselines=(), groups="released")
NET = SIGNALS.index(NETS[0].name)


@pytest.fixture(scope="module")
def world() -> CascadeSet:
    return make_world("small", 3, WORLD)


def taught(learner: Learner, verdicts: int, vote: float) -> Learner:
    """A learner after lessons in which a net votes so on false claims, and the other way on true ones."""
    for n in range(verdicts):
        signals = np.zeros(len(SIGNALS))
        signals[NET] = vote if n % 2 else -vote
        learner._fit(signals, 1, bool(n % 2))
    return learner


def test_a_shut_gate_changes_nothing(world: CascadeSet) -> None:
    found = ablation.ablate(world, OPTIONS, without=())
    ours = evaluate(world, OPTIONS).report["ours"]
    assert all(found["all"][h]["auc_within"] == ours[h]["auc_within"] for h in ours)


def test_trust_held_open_believes_verdicts_that_are_noise(world: CascadeSet) -> None:
    poisoned = attack(world, "poison", 0.5, 3, 0)
    assert gates.acting(world, OPTIONS)["trust"]["mean"] > 0.95
    assert gates.acting(poisoned, OPTIONS)["trust"]["mean"] < 0.8
    noise = np.random.default_rng(0)
    shut, held = gates.GatedLearner(), gates.GatedLearner(["trust"])
    for _ in range(300):
        signals, false = noise.normal(size=len(SIGNALS)), bool(noise.random() < 0.5)
        shut._fit(signals, 1, false)
        held._fit(signals, 1, false)
    assert shut._skill().trust < 0.5
    assert held._skill().trust == 1.0
    assert held.values() != shut.values()


def crowds(as_one: bool) -> CascadeSet:
    """Claims on which thirty accounts speak within minutes, always the same ones or others each time."""
    rng = np.random.default_rng(0)
    rows = []
    for claim in range(90):
        whole = rng.choice(600, 40, replace=False)
        speakers = [f"u{u}" for u in (whole if not as_one else [*range(600, 630), *whole[:10]])]
        at = claim * 5 * HOUR_MS
        rows += [
            (at + n * 20_000, "post" if n == 0 else "reply", f"c{claim:03}", user, "" if n == 0 else "support")
            for n, user in enumerate(speakers)
        ]
    return cascades(rows, {f"c{claim:03}": "false" if claim % 2 else "true" for claim in range(90)})


def test_nets_held_open_are_not_looked_for_and_act_where_accounts_act_as_one() -> None:
    lone, as_one = (gates.acting(crowds(kind), OPTIONS) for kind in (False, True))
    assert lone["nets"] == {"participants": 0.0, "claims": 0.0}
    assert 0.1 < as_one["nets"]["participants"] < as_one["nets"]["claims"] < 1
    assert as_one["fading"]["lessons"] > lone["fading"]["lessons"] == 0
    assert gates.core(crowds(True), ["nets"]).groups is None
    assert gates.core(crowds(True), ["trust"]).groups is not None


def test_fading_held_open_keeps_what_was_learned_of_nets_when_they_turn_and_only_that() -> None:
    shut, held = (taught(gates.GatedLearner(opened), 60, 1.0) for opened in ([], ["fading"]))
    assert min(held._weights()[0][NET], shut._weights()[0][NET]) > 1
    shut, held = taught(shut, 60, -1.0), taught(held, 60, -1.0)
    assert shut._weights()[0][NET] < held._weights()[0][NET] - 0.5
    other = SIGNALS.index("slow")
    assert held._weights()[1][other, other] == pytest.approx(shut._weights()[1][other, other])


def test_the_mixture_held_open_uses_learned_weights_alone() -> None:
    held, shut = (taught(gates.GatedLearner(opened), 40, 1.0) for opened in (["mixture"], []))
    assert held._mixed().tolist() == held._weights()[0].tolist()
    assert 0 < shut._mixed()[NET] < shut._weights()[0][NET]


def test_gates_stand_beside_signals_in_an_ablation_and_act_by_shares(world: CascadeSet) -> None:
    assert ablation.parse("trust,nets+fading,slow+mixture") == ("trust", "nets+fading", "slow+mixture")
    found = ablation.ablate(world, OPTIONS, without=("mixture", "slow", "slow+vote+mixture"))
    assert len({tuple(by[h]["auc_within"] for h in by) for by in found.values()}) == 4
    acting = gates.acting(world, OPTIONS)
    assert acting.keys() == set(gates.GATES)
    assert all(0 <= share <= 1 for figures in acting.values() for share in figures.values())
    assert len(gates.told(acting, ("nets", "mixture"))) == 2


def test_what_is_written_down_of_lessons_is_one_row_each_and_changes_nothing() -> None:
    noting, plain = gates._NotingLearner(Learner().prior.tolist()), Learner()
    for learner in (noting, plain):
        for age in SHARE:
            learner._fit(np.full(len(SIGNALS), 0.1), age, True)
    assert [row[0] for row in noting.lessons] == list(SHARE)
    assert noting.values() == plain.values()


def test_an_attack_that_is_asked_for_is_in_the_ablation(world: CascadeSet) -> None:
    clean, poisoned = (
        ablation.ablate(world, replace(OPTIONS, attack=name, seed=3), without=()) for name in ("", "poison")
    )
    assert clean["all"]["1h"]["auc"] > poisoned["all"]["1h"]["auc"]


def test_the_command_says_how_often_a_gate_acts(world: CascadeSet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.evaluate.evaluation.load", lambda *given: world)
    run = CliRunner().invoke(
        app,
        [
            "evaluate",
            "synthetic:clean",
            "--ablate",
            "--horizons",
            "1h",
            "--groups",
            "released",
            "--without",
            "mixture",
            "--json",
        ],
    )
    found = json.loads(run.stdout)
    assert found.keys() == {"all", "mixture", "gates"}
    assert 0 < found["gates"]["mixture"]["learned"] < 1
    run = CliRunner().invoke(
        app,
        ["evaluate", "synthetic:clean", "--ablate", "--horizons", "1h", "--groups", "released", "--without", "trust"],
    )
    assert "trust: verdicts are believed to" in " ".join(run.stdout.split())
