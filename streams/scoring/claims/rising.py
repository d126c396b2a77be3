"""Rising: how many open claims are expected to bring how many events within a day from now.

    ΔN(24 h) of `cascade`, its kernels faded from the claim's latest event to the partition's latest event time

A claim that brought less than one event in the last six hours (by its faded window) is not looked at closer: it counts
as one that brings less than one. Range: counts. Failure modes: those of the forecast; as a count by decades it is good.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from streams.scoring import cascade
from streams.scoring.numeric import Ints
from streams.tables.compiled import compiled

BOUNDS = np.array([1.0, 10.0, 100.0])
"""Where a band of expected events ends and the next begins."""
HORIZON_S = 86_400.0
STILL = 1.0  # events in the faded window


@compiled
def count_rising(claims: Any, size: int, now_ms: int, bounds: Any, found: Any) -> None:
    """Count open claims by band into `found`: one element more than bounds. `now_ms` is event time."""
    for row in range(size):
        claim = claims[row]
        if claim.events <= 0 or claim.bare > 0 or claim.verdict > 0:
            continue
        passed_s = max(now_ms - claim.last_ms, 0) / 1000.0
        if claim.kernels[cascade.WINDOW] * math.exp(-passed_s / cascade.TAU_WINDOW_S) < STILL:
            found[0] += 1
            continue
        direct = 0.0
        for k in range(cascade.WINDOW):
            left = claim.kernels[k] * math.exp(-passed_s / cascade.TAU_K_S[k])
            direct += left * cascade.A_K[k] * cascade.TAU_K_S[k] * (1.0 - math.exp(-HORIZON_S / cascade.TAU_K_S[k]))
        p = min(cascade.infectiousness(claim)[0], 0.95)
        growth = p * direct / (1.0 - p)
        band = 0
        while band < len(bounds) and growth >= bounds[band]:
            band += 1
        found[band] += 1


def rising(claims: Any, last_ms: Ints) -> Ints:
    """Open claims by band, the lowest first.

    Args:
        claims: records of the claims' table.
        last_ms: [rows] their latest event times.
    """
    found = np.zeros(len(BOUNDS) + 1, np.int64)
    count_rising(claims, len(last_ms), int(last_ms.max(initial=0)), BOUNDS, found)
    return found
