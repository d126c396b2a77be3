"""Prior weights that were fitted to other sets are what a set starts from, and nothing of the set is in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streams.evaluate import leaving_out
from streams.evaluate.evaluation import Options, evaluate
from streams.evaluate.leaving_out import fit, lessons
from streams.evaluate.ours import Core
from streams.evaluate.synthetic import WorldSettings, make_world
from streams.scoring.parameters.parameters_state import ANY_SIGN, Learner
from streams.scoring.signals.registry import PRIOR_WEIGHTS, SIGNALS

WORLD = WorldSettings(sources=120, claims=50, days=30, assertions_log_mean=2.0, verdict_share=0.7, burn_in=0.0)
OPTIONS = Options(lag_ms=0, baselines=())


def drawn(seed: int, weights: np.ndarray, n: int = 3000) -> np.ndarray:
    """Lessons of a stream on which these weights are right."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, len(SIGNALS)))
    false = rng.random(n) < 1 / (1 + np.exp(-x @ weights))
    return np.column_stack([np.full(n, 0.4), np.zeros(n), false, x])


def test_a_fit_finds_the_weights_of_the_streams_that_it_saw_and_keeps_the_signs_of_theory() -> None:
    right = np.zeros(len(SIGNALS))
    right[SIGNALS.index("slow")], right[SIGNALS.index("vote")], right[SIGNALS.index("newcomers")] = 0.8, -0.5, -0.4
    found = fit([drawn(0, right), drawn(1, right)])
    assert found[SIGNALS.index("slow")] == pytest.approx(0.8, abs=0.15)
    assert found[SIGNALS.index("newcomers")] == pytest.approx(-0.4, abs=0.15)
    assert found[SIGNALS.index("vote")] == 0.0
    assert (found[~ANY_SIGN] >= 0).all()


def test_every_set_weighs_alike_however_many_lessons_it_has() -> None:
    one, other = np.zeros(len(SIGNALS)), np.zeros(len(SIGNALS))
    one[SIGNALS.index("slow")] = 1.0
    together = fit([drawn(0, one, 6000), drawn(1, other, 600)])[SIGNALS.index("slow")]
    assert 0.25 < together < 0.65


def test_what_is_written_down_is_what_was_learned_from_and_changes_nothing() -> None:
    data = make_world("small", 3, WORLD)
    plain = evaluate(data, OPTIONS).report["ours"]
    rows = lessons(data, OPTIONS, lambda what, done, of: None)
    assert rows.shape[1] == 3 + len(SIGNALS)
    assert set(rows[:, 2]) == {0.0, 1.0}
    assert evaluate(data, OPTIONS).report["ours"] == plain


def test_a_stream_starts_from_the_prior_weights_that_are_given() -> None:
    data = make_world("small", 3, WORLD)
    upside_down = tuple(-w for w in PRIOR_WEIGHTS)
    core = Core(data, learner=Learner(prior=upside_down))
    assert core.claims.params.risk_weights == pytest.approx(upside_down)
    assert Learner(prior=upside_down).values()["risk_slow"] == -PRIOR_WEIGHTS[SIGNALS.index("slow")]
    ours = [
        evaluate(data, Options(lag_ms=0, baselines=(), prior=p)).report["ours"] for p in (PRIOR_WEIGHTS, upside_down)
    ]
    assert ours[0]["1h"]["auc"] > ours[1]["1h"]["auc"]


def test_a_set_alone_leaves_nothing_to_learn_from(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="two are needed"):
        leaving_out.leave_out(tmp_path, OPTIONS)
