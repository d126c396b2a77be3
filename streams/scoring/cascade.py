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

import math
from typing import Any

import numpy as np

from streams.tables.compiled import compiled, inlined

# Fitted to φ(s) = c for s ≤ 300 s, c·(s/300)^−1.2315 beyond, from 10 s to 7 days, non-negative least squares of the
# relative error on a logarithmic grid (mean 6 %, worst 34 % at the knee), then scaled to mass 1. Written out, so that
# no machine's linear algebra can change a replay.
TAU_K_S = np.array([400.0, 1168.4, 3412.92, 9969.19, 29120.1, 85060.2, 248462.0, 725760.0])
A_K = np.array([5.98684e-4, 1.98674e-4, 3.57804e-5, 1.27624e-5, 2.84911e-6, 8.97315e-7, 1.64359e-7, 1.0874e-7])
TAU_WINDOW_S = 6 * 3600.0
KERNELS = 9  # the window's is the last
WINDOW = 8
HOURLY = 2  # the kernel whose memory is about an hour
START_TAUS_MS = (600_000.0, 3 * 3_600_000.0)
_TAUS_MS = 1000.0 * np.append(TAU_K_S, TAU_WINDOW_S)
_EXPOSURE = A_K / (1.0 / TAU_WINDOW_S - 1.0 / TAU_K_S)
_REACH = A_K * TAU_K_S


@inlined
def arrive(claim: Any, time_ms: int) -> None:
    """An event arrives: the claim's first and latest event time, its kernels, and its soft counts of the start.

    The kernels stand at the latest event. a_τ = Σ exp(−(t_i − t₀)/τ), τ = 10 minutes and 3 hours, tell a fast start
    from a slow one whatever the size reached since; an earlier first event that arrives late only rescales them.
    """
    if claim.events == 0:
        claim.first_ms = claim.last_ms = time_ms
    if time_ms > claim.last_ms:
        _fade(claim, time_ms - claim.last_ms)
        claim.last_ms = time_ms
    if time_ms < claim.first_ms:
        earlier = time_ms - claim.first_ms
        claim.start *= math.exp(earlier / START_TAUS_MS[0])
        claim.early *= math.exp(earlier / START_TAUS_MS[1])
        claim.first_ms = time_ms
    claim.events += 1
    add(claim, time_ms, 1.0)


@inlined
def _fade(claim: Any, passed_ms: int) -> None:
    for k in range(KERNELS):
        claim.kernels[k] *= math.exp(-(passed_ms / _TAUS_MS[k]))


@inlined
def add(claim: Any, time_ms: int, sign: float) -> None:
    """Add an event to kernels and starts (or take it out) between the claim's first and latest event, which stay."""
    age = claim.last_ms - time_ms
    for k in range(KERNELS):
        claim.kernels[k] += sign * math.exp(-(age / _TAUS_MS[k]))
    since = time_ms - claim.first_ms
    claim.start += sign * math.exp(-(since / START_TAUS_MS[0]))
    claim.early += sign * math.exp(-(since / START_TAUS_MS[1]))


@inlined
def restart(claim: Any) -> None:
    """Forget every event, that those which stand may arrive again; until one does, first and latest time stay."""
    claim.events = 0
    claim.start = claim.early = 0.0
    for k in range(KERNELS):
        claim.kernels[k] = 0.0


@inlined
def infectiousness(claim: Any) -> tuple[float, float, float]:
    """p̂ at the latest event, with its 90 % interval (Poisson, square-root scale)."""
    window = claim.kernels[WINDOW]
    since_root_s = (claim.last_ms - claim.first_ms) / 1000.0
    arrivals = max(window - math.exp(-since_root_s / TAU_WINDOW_S), 0.0)
    if arrivals < 1e-9:
        arrivals = 0.0
    exposure = 0.0
    for k in range(WINDOW):
        exposure += (claim.kernels[k] - window) * _EXPOSURE[k]
    exposure = max(exposure, 0.0) + 1.0
    root = math.sqrt(arrivals)
    return arrivals / exposure, max(root - 0.82, 0.0) ** 2 / exposure, (root + 0.82) ** 2 / exposure


@inlined
def expected_growth(claim: Any, p: float, horizon_s: float) -> float:
    """ΔN: events expected within the horizon after the latest event, given p̂ (capped at 0.95)."""
    direct = 0.0
    for k in range(WINDOW):
        direct += claim.kernels[k] * _REACH[k] * (1.0 - math.exp(-horizon_s / TAU_K_S[k]))
    capped = min(p, 0.95)
    return capped * direct / (1.0 - capped)


@compiled
def pace(claim: Any) -> tuple[float, float, float]:
    """Events an hour of late, and those expected within the hour and the day after the latest event.

    The rate is x_k/(τ(1 − e^(−age/τ))) with τ of about an hour, the claim being taken to be ten minutes old at least.
    """
    p = infectiousness(claim)[0]
    age_s, tau = (claim.last_ms - claim.first_ms) / 1000.0, TAU_K_S[HOURLY]
    heard_s = max(tau * (1.0 - math.exp(-age_s / tau)), 600.0)
    rate = max(claim.kernels[HOURLY], 0.0) / heard_s * 3600.0
    return rate, max(expected_growth(claim, p, 3600.0), 0.0), max(expected_growth(claim, p, 86_400.0), 0.0)
