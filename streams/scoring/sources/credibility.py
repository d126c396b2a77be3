"""Source credibility: how much a stance of this source weighs, learned from verdicts only.

    acc_s  = (r + m·μ_b) / (r + e + m)                       r, e decayed counts of right and wrong, m = 6
    λ_+    = ln P(support | true) / P(support | false)       signed weight of a support, nats
    λ_−    = ln P(deny | false) / P(deny | true)             and of a denial
             P(support | true) = (r_+ + k·a_b) / (r_+ + e_− + k), P(support | false) = (e_+ + k·c_b) / (e_+ + r_− + k)
    w      = clip(λ_x, 0, 2.5)                               what public corroboration uses

A source is two coins, not one: what it says of true claims and what it says of false ones, shrunk (k = 4) to the coins
of its history band. No base rate enters: where nobody ever denies, both coins are always "support" and weigh nothing.
The coins are tossed by what people write. A reshare counts in acc and history, but is no toss: a claim's reshares are
one voice in its evidence, so that coins which counted each of them would take every denial for a rarity.

Source: Beta reputation, Jøsang & Ismail 2002; two-coin workers, Dawid & Skene 1979, in their conjugate online form.
Range: acc in (0, 1); λ unbounded, about ±4 in practice; w in [0, 2.5].
Failure modes: an account that was honest for years and is sold keeps its weight until verdicts show otherwise (the
half-life bounds it); a source judged only on easy claims looks better than it is.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from streams.scoring.config import ScoringConfig
from streams.scoring.numeric import Float, Floats, Int, Ints, chance, faded, real, rounded, trigamma
from streams.scoring.parameters.params import Params
from streams.scoring.sources.insight import insight_score
from streams.tables.compiled import compiled, inlined
from streams.tables.table import View

BANDS = 3
# Names of the two coins by history band among the parameters: P(support | true), then P(support | false).
COINS = tuple(f"support_{truth}_{band}" for truth in ("true", "false") for band in range(BANDS))


@inlined
def band_of(settled: Int) -> Int:
    """History band. 0: nothing settled, 1: one to four claims, 2: five or more.

    >>> [int(band_of(settled)) for settled in (0, 1, 4, 5)]
    [0, 1, 1, 2]
    """
    return np.int64(settled > 0) + np.int64(settled >= 5)


class Expected(NamedTuple):
    """What accuracies are shrunk to: μ of each band, the strength m, and the half-life of counts, ms."""

    means: Floats
    strength: float
    half_life_ms: float


def expected(config: ScoringConfig, params: Params) -> Expected:
    """What is in force."""
    means = np.array([params.mu_0, params.mu_1, params.mu_2])
    return Expected(means, config.credibility_prior_strength, float(config.credibility_half_life_ms))


@inlined
def accuracy(right: Float, wrong: Float, mean: Float, strength: Float) -> Float:
    """Posterior mean accuracy of a source with these decayed counts.

    >>> accuracy(0.0, 0.0, 0.6, 6.0), round(accuracy(6.0, 0.0, 0.6, 6.0), 3)
    (0.6, 0.8)
    """
    return float((right + strength * mean) / (right + wrong + strength))


@inlined
def accuracy_interval(right: Float, wrong: Float, mean: Float, strength: Float) -> tuple[Float, Float]:
    """90 % interval of the accuracy: normal in the logit, with Var = ψ′(α) + ψ′(β)."""
    alpha, beta = right + strength * mean, wrong + strength * (1.0 - mean)
    centre, spread = math.log(alpha / beta), 1.645 * math.sqrt(trigamma(alpha) + trigamma(beta))
    return chance(centre - spread), chance(centre + spread)


@compiled
def judge(sources: View, rows: Ints, latest_ms: Int, expect: Expected, figures: Floats) -> None:
    """Accuracy, both ends of its interval, and insight of these sources, as records have it, into [4, rows]."""
    for i in range(len(rows)):
        record = sources.records[rows[i]]
        fade = faded(max(latest_ms - record.ruled_ms, 0), expect.half_life_ms)
        right = (record.right_supports + record.right_denials + record.right_reshares) * fade
        wrong = (record.wrong_supports + record.wrong_denials + record.wrong_reshares) * fade
        settled = record.right + record.wrong
        mean = expect.means[band_of(settled)]
        low, high = accuracy_interval(right, wrong, mean, expect.strength)
        figures[0, i] = rounded(accuracy(right, wrong, mean, expect.strength))
        figures[1, i], figures[2, i] = rounded(low), rounded(high)
        figures[3, i] = rounded(insight_score(real(record.gain), real(record.loss), settled))


def coins(params: Params) -> Floats:
    """[2, bands] the coins of the history bands: P(support) given true, and given false."""
    return np.array([getattr(params, name) for name in COINS]).reshape(2, BANDS)


@compiled
def signed_weights(
    given_true: Float, given_false: Float, right: tuple[Float, Float], wrong: tuple[Float, Float], strength: Float
) -> tuple[Float, Float]:
    """λ of a support and of a denial.

    Args:
        given_true, given_false: the two coins of the source's history band.
        right, wrong: decayed counts for (written supports, denials).
        strength: k, pseudo-counts of each coin.

    >>> up, down = signed_weights(0.5, 0.5, (10.0, 0.0), (0.0, 0.0), 4.0)
    >>> round(up, 2), round(down, 2)  # it supported ten true claims, and judged no false one
    (0.54, 1.25)
    """
    true = (right[0] + strength * given_true) / (right[0] + wrong[1] + strength)
    false = (wrong[0] + strength * given_false) / (wrong[0] + right[1] + strength)
    return np.log(true / false), np.log((1.0 - false) / (1.0 - true))


def typical_weights(coins: Floats, config: ScoringConfig) -> Floats:
    """λ of supports and denials for records that stand for many: newcomer, 1:0, 0:1, 4:1, 9:1."""
    weights = []
    for right, wrong in ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (4.0, 1.0), (9.0, 1.0)):
        given, k = coins[:, band_of(int(right + wrong))], config.coin_prior_strength
        support, _ = signed_weights(given[0], given[1], (right, 0.0), (wrong, 0.0), k)
        _, deny = signed_weights(given[0], given[1], (0.0, right), (0.0, wrong), k)
        weights += [support, deny]
    return np.array(weights)
