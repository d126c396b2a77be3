"""Evidence: who supports the claim and who denies it, each by the weight that their record gives the stance."""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.contract.codes import DENY
from streams.scoring.numeric import Float, real
from streams.scoring.signals.histories import pooled
from streams.scoring.signals.signal import LOOSE, Crowd, Idea, Ranked, Signal
from streams.tables.compiled import inlined

SIGNED_DESIGN_EFFECT = 0.05


@inlined
def _corroboration(claim: Any, root: Any, settings: Any) -> Float:
    return -real(claim.corroboration)


@inlined
def _signed(claim: Any, root: Any, settings: Any) -> Float:
    return -pooled(real(claim.signed), claim.known, SIGNED_DESIGN_EFFECT)


def weighty_stances(crowd: Crowd) -> Ranked:
    """Those whose stance weighs most for that side."""
    parts, rows = crowd.parts, crowd.rows
    denies = parts["stance"][rows] == DENY
    return rows, crowd.sign * np.where(denies, parts["denial"][rows], -parts["support"][rows].astype(np.float64))


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
    Signal(
        name="signed",
        prior=0.1,
        sd=LOOSE,
        meaning="stances with weights of either sign, unlike the public corroboration",
        form="−Σ ± λ / (1 + .05·(k − 1))",
        compute=_signed,
        idea=BETTER_RECORD,
        untaught=0.0,
    ),
)
