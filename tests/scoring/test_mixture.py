"""The mixture of experts: never far behind the best of them, on whatever stream; and what it makes of the learner."""

from __future__ import annotations

import math

import numpy as np
import pytest

from streams.scoring.numeric import Floats
from streams.scoring.parameters.mixture import EXPERTS, SHARED, Mixture, log_loss

WEIGHT = 0.4


def losses(forecasts: Floats, false: Floats) -> tuple[float, Floats, float]:
    """Weighted log loss of the mixture, of each expert, and the bound on how far the first may lie above the best.

    Args:
        forecasts: [lessons, experts] log-odds.
    """
    mixture, mixed, each, apart = Mixture(), 0.0, np.zeros(EXPERTS), 0.0
    for log_odds, is_false in zip(forecasts, false, strict=True):
        mixed += WEIGHT * float(log_loss(mixture.shares @ log_odds, bool(is_false)))
        lost = WEIGHT * log_loss(log_odds, bool(is_false))
        each, apart = each + lost, apart + float(np.ptp(lost)) ** 2
        mixture.learn(log_odds, bool(is_false), WEIGHT)
    return mixed, each, math.log(EXPERTS) + apart / 8 - len(false) * math.log1p(-SHARED)


@pytest.mark.parametrize("better", range(EXPERTS))
@pytest.mark.parametrize("boldness", [0.3, 1.0, 3.0])
def test_on_a_stream_built_against_all_experts_but_one_it_keeps_within_its_bound_of_that_one(
    better: int, boldness: float
) -> None:
    rng = np.random.default_rng(better)
    false = rng.random(600) < 0.5
    sure = np.where(false, boldness, -boldness)[:, None]
    forecasts = np.where(np.arange(EXPERTS) == better, sure, -sure)  # the others say the opposite
    mixed, each, bound = losses(forecasts, false)
    assert int(each.argmin()) == better
    assert mixed <= each.min() + bound
    even = sum(WEIGHT * float(log_loss(np.mean(f), bool(y))) for f, y in zip(forecasts, false, strict=True))
    assert mixed < even  # an even mixture would not have got there


def test_whoever_turns_out_worse_after_long_being_better_is_left_within_some_verdicts() -> None:
    false = np.random.default_rng(3).random(400) < 0.5
    sure = np.where(false, 1.5, -1.5)
    first = np.where(np.arange(400) < 300, sure, -sure)
    mixture = Mixture()
    for says, is_false in zip(np.stack([first, -first], axis=1), false, strict=True):
        mixture.learn(says, bool(is_false), WEIGHT)
    assert mixture.shares[1] > 0.9


def test_one_verdict_moves_the_mixture_by_no_more_than_its_loss() -> None:
    mixture = Mixture()
    mixture.learn(np.array([-2.0, 2.0]), True, WEIGHT)  # the most that it can tell apart: 2 nats each way
    odds = float(np.log(mixture.shares[1] / mixture.shares[0]))
    assert 0 < odds <= WEIGHT * 4.0
