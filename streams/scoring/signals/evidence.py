"""Evidence: who supports the claim and who denies it, each by the weight that their record gives the stance."""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.contract.codes import DENY
from streams.scoring.numeric import Float, real
from streams.scoring.signals.signal import LOOSE, Crowd, Idea, Ranked, Signal
from streams.tables.compiled import inlined


@inlined
def _corroboration(claim: Any, root: Any, settings: Any) -> Float:
    return -real(claim.corroboration)


def weighty_stances(crowd: Crowd) -> Ranked:
    """Those whose stance weighs most for that side; a poor record weighs nothing."""
    parts, rows = crowd.parts, crowd.rows
    against, for_it = (np.maximum(parts[name][rows], 0.0).astype(np.float64) for name in ("denial", "support"))
    return rows, crowd.sign * np.where(parts["stance"][rows] == DENY, against, -for_it)


BETTER_RECORD = Idea(
    "evidence",
    "weighed by their record, those who take a side are against it",
    "weighed by their record, those who take a side are for it",
    weighty_stances,
)

EVIDENCE = (
    Signal(
        name="evidence",
        prior=0.6,
        sd=LOOSE,
        meaning="minus the public corroboration",
        form="−L, without rulings",
        compute=_corroboration,
        idea=BETTER_RECORD,
        untaught=0.0,
    ),
)
