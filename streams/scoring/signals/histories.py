"""Histories: on which side of what turned out false do the participants tend to stand?

h is the history of one participant (see `sources.history`), with a minus sign if it denies the claim. n counts all
participants, known or not, so that a claim's size says nothing; k counts the known ones; d = .1 is the design effect.
Known is who has a settled claim and is in no copy-cluster: accounts that act as one bring no record of their own, and
`nets` hears what they say.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.contract.codes import DENY, RESHARE
from streams.scoring.numeric import Float, Int, real
from streams.scoring.signals.signal import LOOSE, TIGHT, Crowd, Idea, Ranked, Signal
from streams.tables.compiled import inlined


@inlined
def brings_record(part: Any) -> bool:
    """Whether a participant counts in the pools of histories: known, and in no copy-cluster."""
    return bool(part.record > 0 and part.cluster == 0)


@inlined
def pooled(total: Float, known: Int, design_effect: Float) -> Float:
    """Histories of a claim's known participants, added and divided by 1 + d·(k − 1): they are not independent.

    >>> pooled(2.0, 11, 0.1), pooled(0.0, 0, 0.1)
    (1.0, 0.0)
    """
    return total / (1.0 + design_effect * max(known - 1.0, 0.0))


@inlined
def _people(claim: Any) -> Int:
    """Participants, known or not, nets apart."""
    return np.int64(claim.participants - claim.netted)


@inlined
def _all(claim: Any, root: Any, settings: Any) -> Float:
    return pooled(real(claim.history), _people(claim), settings.history_design_effect)


@inlined
def _all_30(claim: Any, root: Any, settings: Any) -> Float:
    return pooled(real(claim.history_30), _people(claim), settings.history_design_effect)


@inlined
def _crowd(claim: Any, root: Any, settings: Any) -> Float:
    return pooled(np.float64(claim.known), claim.known, settings.history_design_effect)


@inlined
def _repliers(claim: Any, root: Any, settings: Any) -> Float:
    """The root's author is no answer, and is taken out where the own post is in words."""
    answers, writers = real(claim.history_writers), claim.writers
    if claim.root > 0 and brings_record(root) and root.kind != RESHARE:
        own = np.float64(root.history)
        answers -= -own if root.stance == DENY else own
        writers -= 1
    return pooled(answers, writers, settings.history_design_effect)


def strong_records(crowd: Crowd) -> Ranked:
    """Those whose own history leans most to that side."""
    return crowd.rows, crowd.sign * crowd.parts["history"][crowd.rows].astype(np.float64)


HISTORY = Idea(
    "history",
    "the people in it took part in false claims more than is usual",
    "the people in it took part in true claims more than is usual",
    strong_records,
)
REPLIERS = Idea(
    "history_repliers",
    "those who reply to it mostly took part in false claims before",
    "those who reply to it mostly took part in true claims before",
    strong_records,
)

HISTORIES = (
    Signal(
        name="history",
        prior=0.5,
        sd=LOOSE,
        meaning="on which side of falsehoods all participants stood before, whatever the claim's size",
        form="Σ h / (1 + d·(n − 1))",
        compute=_all,
        idea=HISTORY,
        untaught=0.0,
    ),
    Signal(
        name="history_30",
        prior=1.0,
        sd=LOOSE,
        meaning="the same with a half-life of 30 days",
        form="Σ h₃₀ / (1 + d·(n − 1))",
        compute=_all_30,
        idea=HISTORY,
        untaught=0.0,
    ),
    Signal(
        name="history_repliers",
        prior=0.3,
        sd=LOOSE,
        meaning="the same, undecayed, over those who answered in words, the root's author apart",
        form="Σ h / (1 + d·(a − 1)), over a known answers",
        compute=_repliers,
        idea=REPLIERS,
        untaught=0.0,
    ),
    # Where histories do not average 0, k shifts the pools above. Through this signal verdicts take the shift out.
    Signal(
        name="crowd_known",
        prior=0.0,
        sd=TIGHT,
        meaning="how many have a record, whatever it says: lets verdicts take out the shift that their number alone "
        "gives the pools",
        form="k / (1 + d·(k − 1))",
        compute=_crowd,
        idea=HISTORY,
        either=True,
    ),
)
