"""Numbers that the signals share: log-odds, order-free sums, special functions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from streams.tables.compiled import inlined
from streams.tables.index import Int as Int
from streams.tables.ordering import distinct as distinct
from streams.tables.ordering import grouped as grouped

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Float = float | np.float64  # a number in a compiled loop

UNIT = float(1 << 30)  # fixed point: integers in units of 2^-30, so that sums are associative and exactly reversible


def from_fixed(k: Ints) -> Floats:
    """Numbers from integers in units of 2^-30."""
    real: Floats = k / UNIT
    return real


def logit(p: Any) -> Any:
    """Natural log-odds of p, which is kept inside (1e-9, 1 − 1e-9)."""
    if isinstance(p, float):
        p = min(max(p, 1e-9), 1.0 - 1e-9)
        return math.log(p) - math.log1p(-p)
    q = np.minimum(np.maximum(p, 1e-9), 1.0 - 1e-9)
    return np.log(q) - np.log1p(-q)


def sigmoid(z: Any) -> Any:
    """Probability of log-odds z; saturates at |z| = 40."""
    return 1.0 / (1.0 + np.exp(np.minimum(np.maximum(-z, -40.0), 40.0)))


_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX2 = np.uint64(0x94D049BB133111EB)


def mix_keys(*parts: npt.NDArray[Any]) -> Ints:
    """[rows] 63-bit key of several integers each, by the finaliser of splitmix64. It collides as rarely as any hash."""
    state = np.zeros(len(parts[0]), np.uint64)
    for part in parts:
        state = (state + part.astype(np.uint64)) * _GOLDEN
        state ^= state >> np.uint64(30)
        state *= _MIX1
        state ^= state >> np.uint64(27)
        state *= _MIX2
        state ^= state >> np.uint64(31)
    return (state >> np.uint64(1)).astype(np.int64)


# --- for compiled loops ----------------------------------------------------------------------------------------------


@inlined
def fixed(x: Float) -> Int:
    """Nearest multiple of 2^-30. Sums of these do not depend on order, and subtraction undoes addition.

    >>> int(fixed(1.5)) == 3 << 29
    True
    """
    return np.int64(np.rint(x * UNIT))


@inlined
def real(k: Int) -> Float:
    """`from_fixed` of one number."""
    return float(k / UNIT)


@inlined
def thousandth(x: Float) -> Float:
    """Rounded to thousandths."""
    return float(np.rint(x * 1000.0) / 1000.0)


@inlined
def faded(age_ms: Int, half_life_ms: Float) -> Float:
    """2^(−age / half-life); 1 for a half-life of 0, which means none."""
    if half_life_ms <= 0:
        return 1.0
    return float(np.exp2(-np.float64(age_ms) / half_life_ms))


@inlined
def rounded(x: Float) -> Float:
    """Rounded to millionths, as records have it."""
    return float(np.rint(x * 1e6) / 1e6)


@inlined
def trigamma(x: Float) -> Float:
    """ψ′(x) for x > 0, to 1e-9: recurrence to x + 8, then the asymptotic series (Abramowitz & Stegun 6.4.6, 6.4.12).

    >>> round(trigamma(1.0), 6)  # π²/6
    1.644934
    """
    i = 1.0 / (x + 8.0)
    i2 = i * i
    result = i + i2 / 2 + i * i2 * (1 / 6 - i2 * (1 / 30 - i2 * (1 / 42 - i2 / 30)))
    for step in range(8):
        result += 1.0 / ((x + step) * (x + step))
    return float(result)


@inlined
def log_odds(p: Float) -> Float:
    """`logit` of one number."""
    inside = min(max(p, 1e-9), 1.0 - 1e-9)
    return float(np.log(inside) - np.log1p(-inside))


@inlined
def chance(z: Float) -> Float:
    """`sigmoid` of one number."""
    return float(1.0 / (1.0 + np.exp(min(max(-z, -40.0), 40.0))))


@inlined
def _mixed(state: np.uint64, part: np.uint64) -> np.uint64:
    state = (state + part) * _GOLDEN
    state ^= state >> np.uint64(30)
    state *= _MIX1
    state ^= state >> np.uint64(27)
    state *= _MIX2
    return state ^ (state >> np.uint64(31))


@inlined
def mix_key(first: Int, second: Int | np.uint64) -> Int:
    """`mix_keys` of two numbers."""
    return np.int64(_mixed(_mixed(np.uint64(0), np.uint64(first)), np.uint64(second)) >> np.uint64(1))
