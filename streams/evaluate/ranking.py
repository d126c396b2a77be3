"""How well a score ranks false claims above true ones: AUC over all pairs, within date quarters, with intervals."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

QUARTERS = 4
TIE_DIGITS = 9  # ranks that differ by less are equal: the same sum in another order differs in its last bits
RESAMPLES = 1000


def quarters(n: int) -> npt.NDArray[np.int64]:
    """Quarter, 0 to 3, of each of n claims that are sorted by date.

    >>> quarters(6).tolist()
    [0, 0, 1, 1, 2, 3]
    """
    return np.repeat(np.arange(QUARTERS), [len(part) for part in np.array_split(np.arange(n), QUARTERS)])


def pair_wins(risk: Floats, false: Bools, weights: Floats) -> tuple[Floats, Floats]:
    """Mann–Whitney statistic and number of (false, true) pairs, for each row of weights; ties count half.

    Args:
        risk: [n] higher means more likely false.
        false: [n] whether the claim is false.
        weights: [b, n] how often each claim occurs in each of b resamples.
    """
    if not len(risk):
        return np.zeros(len(weights)), np.zeros(len(weights))
    risk = np.round(risk, TIE_DIGITS)
    order = np.argsort(risk, kind="stable")
    sorted_risk = risk[order]
    firsts = np.flatnonzero(np.concatenate([[True], sorted_risk[1:] != sorted_risk[:-1]]))
    weighted = weights[:, order]
    is_false = false[order]
    falses = np.add.reduceat(weighted * is_false, firsts, axis=1)
    trues = np.add.reduceat(weighted * ~is_false, firsts, axis=1)
    below = np.cumsum(trues, axis=1) - trues
    wins = np.sum(falses * (below + 0.5 * trues), axis=1)
    return wins, falses.sum(axis=1) * trues.sum(axis=1)


def aucs(risk: Floats, false: Bools, stratum: npt.NDArray[np.int64], weights: Floats) -> Floats:
    """[b] AUC over pairs inside the same stratum: the sum of Mann–Whitney statistics over the sum of pairs.

    .5 for a resample without any pair.
    """
    wins = np.zeros(len(weights))
    pairs = np.zeros(len(weights))
    for s in np.unique(stratum):
        inside = stratum == s
        w, p = pair_wins(risk[inside], false[inside], weights[:, inside])
        wins += w
        pairs += p
    return np.where(pairs > 0, wins / np.maximum(pairs, 1e-300), 0.5)


def auc(risk: Floats, false: Bools, stratum: npt.NDArray[np.int64] | None = None) -> float:
    """AUC over all pairs, or over pairs inside the same stratum.

    >>> risk = np.array([0.9, 0.2, 0.2, 0.1])
    >>> false = np.array([True, True, False, False])
    >>> auc(risk, false)  # pairs: 1, 1, ½, 1 of 4
    0.875
    """
    inside = np.zeros(len(risk), np.int64) if stratum is None else stratum
    return float(aucs(risk, false, inside, np.ones((1, len(risk))))[0])


def resample_weights(group: npt.NDArray[np.int32], seed: int = 0, resamples: int = RESAMPLES) -> Floats:
    """[resamples, n] how often each claim occurs when whole groups are drawn with replacement."""
    _, inverse = np.unique(group, return_inverse=True)
    n_groups = int(inverse.max()) + 1 if len(inverse) else 1
    drawn = np.random.default_rng(seed).multinomial(n_groups, np.full(n_groups, 1 / n_groups), size=resamples)
    return drawn.astype(np.float64)[:, inverse]


def interval(values: Floats, level: float = 0.95) -> list[float]:
    """Percentile interval of bootstrap values."""
    tail = (1 - level) / 2
    return [float(q) for q in np.quantile(values, [tail, 1 - tail])]


def recall_at(risk: Floats, false: Bools, precision: float) -> float:
    """The largest share of the false claims above any one threshold that leaves so many of those above it false.

    The threshold is known in hindsight only, so that this says what a ranking has in it. 0 where none reaches.

    >>> recall_at(np.array([3.0, 2.0, 1.0, 0.0]), np.array([True, False, True, False]), 0.6)
    1.0
    >>> recall_at(np.array([3.0, 3.0, 1.0, 0.0]), np.array([True, False, True, False]), 0.7)
    0.0
    """
    risk = np.round(risk, TIE_DIGITS)
    order = np.argsort(-risk, kind="stable")
    hits = np.cumsum(false[order])
    last = np.append(risk[order][1:] != risk[order][:-1], True)  # of those with equal risk all are above, or none
    enough = last & (hits >= precision * np.arange(1, len(hits) + 1))
    return float(hits[enough].max() / hits[-1]) if enough.any() and hits[-1] else 0.0
