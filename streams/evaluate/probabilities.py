"""Do the probabilities mean what they say: Brier score and skill, calibration error, reliability table."""

from __future__ import annotations

from typing import TypedDict

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

BINS = 10
_NODES, _NODE_WEIGHTS = np.polynomial.hermite_e.hermegauss(40)


class Bin(TypedDict):
    """One row of the reliability table."""

    low: float
    high: float
    n: int
    mean_risk: float
    share_false: float


def brier(risk: Floats, false: Bools) -> float:
    """Mean squared error of the probabilities (Brier 1950)."""
    return float(np.mean((risk - false) ** 2))


def brier_skill(risk: Floats, false: Bools) -> float:
    """1 − Brier / Brier of the base rate of these very claims; above 0 the probabilities carry news."""
    base = float(np.mean(false))
    return 1.0 - brier(risk, false) / (base * (1 - base)) if 0 < base < 1 else 0.0


def _bins(risk: Floats, false: Bools, weights: Floats) -> tuple[Floats, Floats, Floats]:
    """[b, bins] weight, sum of risk and sum of false in each equal-width bin, for each row of weights."""
    which = np.clip((risk * BINS).astype(np.int64), 0, BINS - 1)
    member = np.eye(BINS)[which]
    return weights @ member, (weights * risk) @ member, (weights * false) @ member


def reliability(risk: Floats, false: Bools) -> list[Bin]:
    """Mean risk and share of false claims in each of ten equal-width bins (empty bins left out)."""
    n, risks, falses = (row[0] for row in _bins(risk, false, np.ones((1, len(risk)))))
    return [
        Bin(low=b / BINS, high=(b + 1) / BINS, n=int(n[b]), mean_risk=risks[b] / n[b], share_false=falses[b] / n[b])
        for b in range(BINS)
        if n[b] > 0
    ]


def ece_raw(risk: Floats, false: Bools, weights: Floats | None = None) -> Floats:
    """[b] plug-in ECE: Σ_b n_b/n · |mean risk − share false|."""
    n, risks, falses = _bins(risk, false, np.ones((1, len(risk))) if weights is None else weights)
    return np.asarray(np.abs(risks - falses).sum(axis=1) / np.maximum(n.sum(axis=1), 1e-300))


def ece(risk: Floats, false: Bools, weights: Floats | None = None) -> Floats:
    """[b] debiased ECE, ≥ 0.

    A bin's gap d̂ is a noisy reading of d with variance s² = f(1−f)/n of the bin's share of false claims f. The
    plug-in's bias E|d̂ + s·ε| − |d̂| (ε standard normal) is estimated at the observed gap and subtracted, as in the
    debiased estimator of Kumar, Liang & Ma, Verified Uncertainty Calibration, NeurIPS 2019. f is smoothed by one
    success and one failure so that a bin of few, equal labels is not taken for noiseless.
    It corrects less than all of a calibrated model's bias: it errs against the model.
    """
    n, risks, falses = _bins(risk, false, np.ones((1, len(risk))) if weights is None else weights)
    size = np.maximum(n, 1e-300)
    gap = (risks - falses) / size
    share = (falses + 1) / (n + 2)
    spread = np.sqrt(share * (1 - share) / np.maximum(n, 1))
    noisy = np.abs(gap[..., None] + spread[..., None] * _NODES) @ (_NODE_WEIGHTS / _NODE_WEIGHTS.sum())
    corrected = n * (2 * np.abs(gap) - noisy)
    return np.asarray(np.maximum(0.0, corrected.sum(axis=1) / np.maximum(n.sum(axis=1), 1e-300)))


def ece_of_calibrated(risk: Floats, seed: int = 0, draws: int = 200) -> float:
    """Mean plug-in ECE that these risks would show if every one of them were exactly right: the floor of the raw."""
    labels = np.random.default_rng(seed).random((draws, len(risk))) < risk
    return float(np.mean([ece_raw(risk, row)[0] for row in labels]))
