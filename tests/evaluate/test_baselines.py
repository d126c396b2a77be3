"""Baselines on cases small enough to work by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from streams.evaluate.baselines import BASELINES
from streams.evaluate.cascades import CascadeSet
from streams.evaluate.protocol import Trial
from streams.evaluate.trial_run import run
from tests.evaluate.builders import HOUR_MS, cascades

DAY_MS = 24 * HOUR_MS


def log_odds(name: str, data: CascadeSet, lag: int = DAY_MS) -> dict[str, float]:
    made = run(Trial.of_set(data, (HOUR_MS,), lag), BASELINES[name](data))
    return {data.claim_ids[c]: float(z) for c, z in zip(made.claims, made.log_odds[:, 0], strict=True)}


def two_days() -> CascadeSet:
    """Day 0: f is false, spread by liar and twice by both; t is true. Day 2: x is joined by liar, y by honest."""
    rows = [
        (0, "post", "f", "liar", ""),
        (1, "reshare", "f", "both", ""),
        (2, "post", "t", "honest", ""),
        (3, "reshare", "t", "both", ""),
        (2 * DAY_MS, "post", "x", "liar", ""),
        (2 * DAY_MS + 1, "reshare", "x", "both", ""),
        (2 * DAY_MS + 2, "reshare", "x", "stranger", ""),
        (2 * DAY_MS + 3, "post", "y", "honest", ""),
    ]
    return cascades(rows, {"f": "false", "t": "true", "x": "false", "y": "true"})


def test_user_history_adds_log_ratios_of_known_participants() -> None:
    odds = log_odds("user_history", two_days())
    assert odds["x"] == pytest.approx(math.log(1.5 / 0.5) + math.log(1.5 / 1.5))
    assert odds["y"] == pytest.approx(math.log(0.5 / 1.5))
    assert odds["f"] == 0.0


def test_recent_verdict_rate_is_one_number_for_all() -> None:
    odds = log_odds("recent_verdict_rate", two_days())
    assert odds["x"] == odds["y"] == pytest.approx(0.0)  # one false, one true


def test_size_counts_distinct_participants() -> None:
    assert log_odds("size", two_days()) == {"f": 2.0, "t": 2.0, "x": 3.0, "y": 1.0}


def test_signed_beta_nb_by_hand() -> None:
    odds = log_odds("signed_beta_nb", two_days())
    logit = lambda r, e: math.log((r + 3.6) / (e + 2.4))  # noqa: E731
    assert odds["y"] == pytest.approx(-logit(1, 0))
    assert odds["x"] == pytest.approx(-(logit(0, 1) + logit(1, 1) + logit(0, 0)))


def stances(yes: int, no: int) -> CascadeSet:
    rows = [(i, "reply", "a", f"u{i}", "support" if i < yes else "deny") for i in range(yes + no)]
    return cascades(rows, {"a": "true"})


def test_majority_is_the_share_of_denials_of_last_stances() -> None:
    assert log_odds("majority", stances(3, 1))["a"] == pytest.approx(math.log(1 / 3))
    changed = cascades([(0, "reply", "a", "u", "support"), (1, "reply", "a", "u", "deny")], {"a": "true"})
    assert log_odds("majority", changed)["a"] > 15


@pytest.mark.parametrize("name", ["dawid_skene", "truthfinder", "crh", "catd", "accucopy"])
def test_truth_discovery_learns_from_verdicts_whom_to_believe(name: str) -> None:
    """On forty settled claims two are always right and three always wrong, together: the two outweigh the three.

    ACCUCOPY and TruthFinder know no source that is worse than useless, but the others sink the three.
    """
    rows = []
    labels = {}
    for i in range(40):
        true = i % 2 == 0
        labels[f"c{i}"] = "true" if true else "false"
        for u in range(5):
            says = true if u < 2 else not true
            rows.append((i * HOUR_MS + u, "reply", f"c{i}", f"u{u}", "support" if says else "deny"))
    for u in range(5):
        rows.append((100 * HOUR_MS + u, "reply", "new", f"u{u}", "support" if u < 2 else "deny"))
    data = cascades(rows, {**labels, "new": "true"})
    assert log_odds(name, data)["new"] < 0
    assert np.isfinite(list(log_odds(name, data).values())).all()
