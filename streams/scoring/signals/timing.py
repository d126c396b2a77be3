"""Timing: slow starts are false a little more often."""

from __future__ import annotations

import numpy as np

from streams.scoring.numeric import Floats
from streams.scoring.signals.signal import TIGHT, Idea, Signal, View, first_post


def _slow(view: View, soft_count: str) -> Floats:
    slow: Floats = -np.log(np.maximum(view[soft_count], 1.0))
    return slow


SLOW = Idea("slow", "it started slowly, as false claims do a little more often", "many joined it early", first_post)

TIMING = (
    Signal(
        name="slow",
        prior=0.25,
        sd=TIGHT,
        meaning="a slow start over ten minutes",
        form="−ln Σ exp(−t/τ) over its events, τ = 10 min",
        compute=lambda view: _slow(view, "start"),
        idea=SLOW,
    ),
    Signal(
        name="slow_3h",
        prior=0.15,
        sd=TIGHT,
        meaning="a slow start over three hours",
        form="the same, τ = 3 h",
        compute=lambda view: _slow(view, "early"),
        idea=SLOW,
    ),
)
