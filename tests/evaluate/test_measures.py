"""Figures worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from streams.evaluate import probabilities as calibration
from streams.evaluate import ranking
from streams.evaluate.measures import flag_figures
from streams.evaluate.protocol import Flag, Forecast, Trial
from tests.evaluate.builders import HOUR_MS, cascades


def test_pairs_are_compared_inside_the_same_quarter_only() -> None:
    # Quarter 0: false .9 over true .1, right. Quarter 1: false .2 under true .3, wrong. Across quarters nothing counts.
    risk, false = np.array([0.9, 0.1, 0.2, 0.3]), np.array([True, False, True, False])
    assert ranking.auc(risk, false, np.array([0, 0, 1, 1])) == 0.5
    assert ranking.auc(risk, false) == 0.75


def test_quarters_of_412_claims_have_103_each() -> None:
    assert np.bincount(ranking.quarters(412)).tolist() == [103, 103, 103, 103]


def test_auc_agrees_with_counting_pairs_also_under_weights() -> None:
    rng = np.random.default_rng(1)
    risk, false = rng.integers(0, 5, 40).astype(float), rng.random(40) < 0.4
    weights = rng.integers(0, 3, (3, 40)).astype(float)
    for row, got in zip(weights, ranking.aucs(risk, false, np.zeros(40, np.int64), weights), strict=True):
        wins = pairs = 0.0
        for i in np.flatnonzero(false):
            for j in np.flatnonzero(~false):
                w = row[i] * row[j]
                pairs += w
                wins += w * (1.0 if risk[i] > risk[j] else 0.5 if risk[i] == risk[j] else 0.0)
        assert got == pytest.approx(wins / pairs)


def test_sums_that_differ_in_their_last_bits_tie() -> None:
    risk = np.array([0.1 + 0.2 + 0.3, 0.3 + 0.2 + 0.1])
    assert risk[0] != risk[1]
    assert ranking.auc(risk, np.array([True, False])) == 0.5


def test_the_bootstrap_draws_whole_groups() -> None:
    weights = ranking.resample_weights(np.array([0, 0, 1, 2], np.int32), resamples=50)
    assert np.array_equal(weights[:, 0], weights[:, 1])
    assert weights[:, [0, 2, 3]].sum(axis=1).tolist() == [3.0] * 50


def test_brier_and_skill_by_hand() -> None:
    risk, false = np.array([0.8, 0.4]), np.array([True, False])
    assert calibration.brier(risk, false) == pytest.approx((0.04 + 0.16) / 2)
    assert calibration.brier_skill(risk, false) == pytest.approx(1 - 0.1 / 0.25)


def test_raw_ece_by_hand() -> None:
    # Bin [.2, .3): mean risk .25, one of two false: gap .25. Bin [.9, 1]: risk .9, all false: gap .1.
    risk, false = np.array([0.2, 0.3 - 1e-9, 0.9, 0.9]), np.array([True, False, True, True])
    assert calibration.ece_raw(risk, false)[0] == pytest.approx(0.5 * 0.25 + 0.5 * 0.1, abs=1e-6)


def test_debiased_ece_lies_below_the_raw_and_finds_a_true_gap() -> None:
    rng = np.random.default_rng(0)
    risk = rng.random(400)
    fair, off = rng.random(400) < risk, rng.random(400) < np.clip(risk + 0.2, 0, 1)
    assert calibration.ece(risk, fair)[0] < calibration.ece_raw(risk, fair)[0]
    assert calibration.ece(risk, off)[0] > 0.12


def flagged(flags: list[Flag], people: int) -> dict[str, float]:
    rows = [(0, "post", "f", "author", "")]
    rows += [(60_000 * i, "reshare", "f", f"u{i}", "") for i in range(1, people)]
    rows += [(5, "post", "t", "other", "")]
    data = cascades(rows, {"f": "false", "t": "true"})
    trial = Trial.of_set(data, (HOUR_MS,), 1000 * HOUR_MS)
    made = Forecast("ours", True, trial.claims, (HOUR_MS,), np.zeros((2, 1)), np.zeros((2, 1)), flags)
    return flag_figures(trial, made)


def test_flags_delay_share_and_precision_by_hand() -> None:
    figures = flagged([Flag(0, 30 * 60_000), Flag(1, 40 * 60_000)], people=121)
    assert figures["precision"] == 0.5
    assert figures["recall"] == 1.0
    assert figures["median_delay_h"] == 0.5
    assert figures["median_remaining_share"] == pytest.approx(90 / 121)
    assert figures["median_participants"] == 31


def test_a_large_false_cascade_that_is_never_flagged_makes_the_delay_infinite() -> None:
    figures = flagged([], people=121)
    assert figures["median_delay_h"] is None
    assert figures["large_false"] == 1
    assert figures["recall"] == 0.0
    assert figures["precision"] is None
