"""The ablation switches signals off, one by one or together, and nothing else."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from streams.cli.main import app
from streams.evaluate import ablation
from streams.evaluate.evaluation import Options, evaluate
from streams.evaluate.synthetic import WorldSettings, make_world

WORLD = WorldSettings(sources=120, claims=50, days=30, assertions_log_mean=2.0, verdict_share=0.7, burn_in=0.0)


def test_signals_are_switched_off_alone_and_together_and_all_is_the_evaluation_itself() -> None:
    data, options = make_world("small", 3, WORLD), Options(lag_ms=0, baselines=())
    both = ablation.TOGETHER.join(("vote", "denial"))
    found = ablation.ablate(data, options, without=("vote", "denial", both))
    assert list(found) == ["all", "vote", "denial", both]
    figures = [tuple(by[h]["auc_within"] for h in by) for by in found.values()]
    assert len(set(figures)) == 4
    ours = evaluate(data, options).report["ours"]
    assert all(found["all"][h]["auc_within"] == ours[h]["auc_within"] for h in ours)
    assert all(found[both][h]["lost"] == found["all"][h]["auc_within"] - found[both][h]["auc_within"] for h in ours)


@pytest.mark.parametrize("name", ["nonsense", "slow+nonsense", "query", ""])
def test_what_is_no_signal_or_in_shadow_cannot_be_switched_off(name: str) -> None:
    with pytest.raises(ValueError, match="to switch off; there are history"):
        ablation.parse(name)


def test_the_command_says_what_can_be_switched_off_and_that_it_needs_an_ablation() -> None:
    run = CliRunner().invoke(app, ["evaluate", "synthetic:clean", "--ablate", "--without", "slow,rot"])
    assert run.exit_code != 0
    assert "no signal rot to switch off" in " ".join(run.output.split())
    run = CliRunner().invoke(app, ["evaluate", "synthetic:clean", "--without", "slow"])
    assert run.exit_code != 0
    assert "--ablate" in run.output
