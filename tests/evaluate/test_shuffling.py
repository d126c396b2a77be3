"""Labels that are dealt out anew: the risk ranks as chance does, and nothing else of the set is touched."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from streams.cli.main import app
from streams.evaluate.cascades import HOUR_MS
from streams.evaluate.evaluation import Options, evaluate
from streams.evaluate.synthetic import WorldSettings, make_world

WORLD = WorldSettings(sources=200, claims=260, days=60, assertions_log_mean=2.0, verdict_share=0.7, burn_in=0.0)
OPTIONS = Options(horizons_ms=(HOUR_MS,), baselines=(), groups="released")


def test_labels_and_verdicts_are_dealt_out_together_and_how_many_are_false_stays() -> None:
    world = make_world("small", 3, WORLD)
    dealt = world.shuffled(1)
    assert np.bincount(dealt.truth).tolist() == np.bincount(world.truth).tolist()
    assert (dealt.truth != world.truth).any()
    assert (dealt.truth == world.shuffled(1).truth).all()
    assert (dealt.truth != world.shuffled(2).truth).any()
    rulings, before = dealt.rulings(0), world.rulings(0)
    assert (rulings.verdict == dealt.truth[rulings.claim]).all()
    assert (rulings.t_ms == before.t_ms).all()
    assert (dealt.stance == world.stance).all()


def test_a_claim_without_a_label_gets_none() -> None:
    world = make_world("small", 3, WORLD)
    truth = world.truth.copy()
    truth[:20] = 0
    dealt = replace(world, truth=truth, own_rulings=None).shuffled(1)
    assert (dealt.truth[:20] == 0).all()
    assert (dealt.truth[20:] > 0).all()


def test_the_risk_tells_nothing_apart_where_labels_are_shuffled() -> None:
    world = make_world("small", 3, WORLD)
    within = {
        shuffle: np.array(
            [
                [
                    by["auc_within"]
                    for by in evaluate(world, replace(OPTIONS, shuffle=shuffle, seed=s)).report["ours"].values()
                ]
                for s in seeds
            ]
        )
        for shuffle, seeds in ((True, range(5)), (False, range(1)))
    }
    assert (within[False] > 0.62).all()
    assert within[True].mean() == pytest.approx(0.5, abs=0.04)
    assert ((within[True] > 0.38) & (within[True] < 0.62)).all()


def test_the_command_refuses_to_shuffle_what_has_no_labels_of_its_own() -> None:
    run = CliRunner().invoke(app, ["evaluate", ".", "--leave-out", "--shuffle"])
    assert run.exit_code != 0
    assert "--shuffle" in run.output
