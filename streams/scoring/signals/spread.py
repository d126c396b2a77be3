"""Spread: how fast the claim travels."""

from __future__ import annotations

import math
from typing import Any

from streams.scoring import cascade
from streams.scoring.numeric import Float
from streams.scoring.signals.signal import TIGHT, Idea, Signal, first_post
from streams.tables.compiled import inlined


@inlined
def _infectious(claim: Any, root: Any, settings: Any) -> Float:
    return math.log1p(cascade.infectiousness(claim)[0])


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
