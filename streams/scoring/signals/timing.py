"""Timing: slow starts are false a little more often."""

from __future__ import annotations

import math
from typing import Any

from streams.scoring.numeric import Float
from streams.scoring.signals.signal import LOOSE, Idea, Signal, first_post
from streams.tables.compiled import inlined


@inlined
def _slow(claim: Any, root: Any, settings: Any) -> Float:
    return -math.log(max(claim.start, 1.0))


@inlined
def _slow_3h(claim: Any, root: Any, settings: Any) -> Float:
    return -math.log(max(claim.early, 1.0))


SLOW = Idea(
    "slow",
    "it began slowly, as false claims do a little more often",
    "it began quickly, as true claims do a little more often",
    first_post,
)

TIMING = (
    Signal(
        name="slow",
        prior=0.4,
        sd=LOOSE,
        meaning="a slow start over ten minutes",
        form="−ln Σ exp(−t/τ) over its events, τ = 10 min",
        compute=_slow,
        idea=SLOW,
    ),
    Signal(
        name="slow_3h",
        prior=0.0,
        sd=LOOSE,
        meaning="a slow start over three hours",
        form="the same, τ = 3 h",
        compute=_slow_3h,
        idea=SLOW,
        either=True,
    ),
)
