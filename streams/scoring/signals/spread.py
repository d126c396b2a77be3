"""Spread: how fast the claim travels."""

from __future__ import annotations

import numpy as np

from streams.scoring.numeric import Floats
from streams.scoring.signals.signal import TIGHT, Idea, Signal, View, first_post


def _infectious(view: View) -> Floats:
    infectious: Floats = np.log1p(view.pace.p)
    return infectious


INFECTIOUS = Idea("infectious", "it spreads fast", "it hardly spreads", first_post)

SPREAD = (
    # In shadow: what spreads fast is looked at first (the priority of flags), which does not make it false.
    Signal(
        name="infectious",
        prior=0.0,
        sd=TIGHT,
        meaning="how fast it spreads at its latest event",
        form="ln(1 + p̂), p̂ as in `cascade`",
        compute=_infectious,
        idea=INFECTIOUS,
        shadow=True,
    ),
)
