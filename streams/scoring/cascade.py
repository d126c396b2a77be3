"""Cascade: how infectious a claim is now, and how far it will grow.

A claim's events excite further ones with a memory kernel φ, a sum of exponentials fitted to SEISMIC's power law, so
that the state is O(1) and does not depend on the order of arrival:

    x_k(T) = Σ_i exp(−(T − t_i)/τ_k)                       for eight τ_k, and y(T) for the window τ_w
    E(T)   = Σ_k a_k (x_k − y) / (1/τ_w − 1/τ_k)           expected arrivals at infectiousness 1, windowed
    p̂      = (y − its root's share) / E                    infectiousness: windowed count over windowed exposure
    ΔN(h)  = p̂ Σ_k a_k τ_k x_k (1 − e^(−h/τ_k)) / (1 − p̂)    for p̂ < 1

Source: Zhao et al., SEISMIC, KDD 2015 (kernel c = 6.27e-4 /s, s₀ = 300 s, θ = 0.2315; events stand for followers, who
are often unknown). Range: p̂ ≥ 0, capped at 0.95 for growth. Failure modes: as a forecaster of size it lost to
constant growth; as a ranking it is good. The eight exponentials follow the power law to 6 % on average.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from streams.scoring.numeric import Floats, Ints, distinct
from streams.tables.table import Table

# Fitted to φ(s) = c for s ≤ 300 s, c·(s/300)^−1.2315 beyond, from 10 s to 7 days, non-negative least squares of the
# relative error on a logarithmic grid (mean 6 %, worst 34 % at the knee), then scaled to mass 1. Written out, so that
# no machine's linear algebra can change a replay.
TAU_K_S = np.array([400.0, 1168.4, 3412.92, 9969.19, 29120.1, 85060.2, 248462.0, 725760.0])
A_K = np.array([5.98684e-4, 1.98674e-4, 3.57804e-5, 1.27624e-5, 2.84911e-6, 8.97315e-7, 1.64359e-7, 1.0874e-7])
TAU_WINDOW_S = 6 * 3600.0
KERNEL_FIELDS = tuple(f"k{i}" for i in range(9))
START_FIELDS = ("start", "early")
START_TAUS_MS = (600_000.0, 3 * 3_600_000.0)
_TAUS_MS = 1000.0 * np.append(TAU_K_S, TAU_WINDOW_S)
_EXPOSURE = A_K / (1.0 / TAU_WINDOW_S - 1.0 / TAU_K_S)


def fold(claims: Table, touched: Ints, rows: Ints, t_ms: Ints, before_ms: Ints) -> None:
    """Add events to the kernels of their claims and bring these to the claims' latest event time.

    Args:
        touched: claims in the block, each once; `before_ms` is their latest event time before it.
        rows, t_ms: claim and time of each event.
    """
    after = claims["last"]
    faded, age = after[touched] - before_ms, after[rows] - t_ms
    for name, tau in zip(KERNEL_FIELDS, _TAUS_MS, strict=True):
        column = claims[name]
        column[touched] *= np.exp(-(faded / tau))
        np.add.at(column, rows, np.exp(-(age / tau)))


def fold_start(claims: Table, touched: Ints, rows: Ints, t_ms: Ints, before_ms: Ints) -> None:
    """Add events to their claims' soft counts of the start, a_τ = Σ exp(−(t_i − t₀)/τ), τ = 10 minutes and 3 hours.

    They tell a fast start from a slow one whatever the size reached since, and an earlier first event that arrives late
    only rescales them: the result does not depend on the order.

    Args:
        touched: claims in the block, each once; `before_ms` is their first event time before it.
    """
    first = claims["first"]
    earlier = np.minimum(first[touched] - before_ms, 0)
    age = first[rows] - t_ms
    for name, tau in zip(START_FIELDS, START_TAUS_MS, strict=True):
        column = claims[name]
        column[touched] *= np.exp(earlier / tau)
        np.add.at(column, rows, np.exp(age / tau))


def unfold(claims: Table, rows: Ints, t_ms: Ints) -> None:
    """Take events, each with its claim, out of the kernels and starts of claims whose first and latest event stay."""
    for names, taus, age in _ages(claims, rows, t_ms):
        for name, tau in zip(names, taus, strict=True):
            np.subtract.at(claims[name], rows, np.exp(-(age / tau)))


def recount(claims: Table, rows: Ints, owner: Ints, t_ms: Ints) -> None:
    """First and latest event, kernels and start of claims from all their events; of one without any both times stay.

    Args:
        owner, t_ms: of each event, index into `rows` and time.
    """
    some = distinct(owner)
    claims["first"][rows[some]], claims["last"][rows[some]] = np.iinfo(np.int64).max, 0
    np.minimum.at(claims["first"], rows[owner], t_ms)
    np.maximum.at(claims["last"], rows[owner], t_ms)
    for names, taus, age in _ages(claims, rows[owner], t_ms):
        for name, tau in zip(names, taus, strict=True):
            claims[name][rows] = np.bincount(owner, np.exp(-(age / tau)), minlength=len(rows))


def _ages(claims: Table, rows: Ints, t_ms: Ints) -> tuple[tuple[tuple[str, ...], Any, Ints], ...]:
    """Fields of the kernels and of the start, their time constants, and the age of each event that these go by."""
    to_last, since_first = claims["last"][rows] - t_ms, t_ms - claims["first"][rows]
    return (KERNEL_FIELDS, _TAUS_MS, to_last), (START_FIELDS, START_TAUS_MS, since_first)


@dataclass(slots=True)
class Pace:
    """How fast some claims spread at their latest events.

    Attributes:
        kernels: claims × 9 sums, the window's last.
        p, low, high: infectiousness with its 90 % interval.
    """

    kernels: npt.NDArray[Any]
    p: Floats
    low: Floats
    high: Floats

    @classmethod
    def of(cls, claims: Table, rows: Ints) -> Pace:
        """Of these claims."""
        kernels = np.stack([claims[name][rows] for name in KERNEL_FIELDS], axis=1)
        return cls(kernels, *infectiousness(kernels, (claims["last"][rows] - claims["first"][rows]) / 1000.0))

    def take(self, at: Ints) -> Pace:
        """Of some of the claims."""
        return Pace(self.kernels[at], self.p[at], self.low[at], self.high[at])

    def growth(self, horizon_s: float) -> Floats:
        """ΔN: events expected within the horizon after the latest one, p̂ capped at 0.95."""
        direct = self.kernels[:, :8] @ (A_K * TAU_K_S * (1.0 - np.exp(-horizon_s / TAU_K_S)))
        capped = np.minimum(self.p, 0.95)
        growth: Floats = capped * direct / (1.0 - capped)
        return growth


def infectiousness(kernels: npt.NDArray[Any], since_root_s: Floats) -> tuple[Floats, Floats, Floats]:
    """p̂ with its 90 % interval (Poisson, square-root scale), from kernel sums at the latest event.

    Args:
        kernels: claims × 9 sums, the window's last.
        since_root_s: from the first to the latest event.

    >>> k = np.ones((1, 9))  # a root and nothing else
    >>> float(infectiousness(k, np.zeros(1))[0][0])
    0.0
    """
    window = kernels[:, 8]
    arrivals = np.maximum(window - np.exp(-since_root_s / TAU_WINDOW_S), 0.0)
    arrivals = np.where(arrivals < 1e-9, 0.0, arrivals)
    exposure = np.maximum((kernels[:, :8] - window[:, None]) @ _EXPOSURE, 0.0) + 1.0
    root = np.sqrt(arrivals)
    low, high = np.maximum(root - 0.82, 0.0) ** 2, (root + 0.82) ** 2
    return arrivals / exposure, low / exposure, high / exposure
