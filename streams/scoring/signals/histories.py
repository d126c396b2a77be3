"""Histories: on which side of what turned out false do the participants tend to stand?

h is the history of one participant (see `sources.history`), with a minus sign if it denies the claim. n counts all
participants, known or not, k the known ones. Histories are no independent voices: every further known one dilutes the
pool by d = .1, the design effect. Every unknown one does by u = .03, so that three known among a thousand say less than
three among ten. Known is who has a settled claim and is in no copy-cluster: accounts that act as one bring no record of
their own, and `nets` hears what they say.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from streams.contract.codes import DENY, RESHARE, SETTLED, UNSEEN
from streams.scoring.numeric import Float, Int, real
from streams.scoring.signals.signal import LOOSE, TIGHT, Crowd, Idea, Ranked, Signal
from streams.tables.compiled import inlined

UNKNOWN_EFFECT = 0.03  # u


@inlined
def brings_record(part: Any) -> bool:
    """Whether a participant counts in the pools of histories: known, and in no copy-cluster."""
    return bool(part.record == SETTLED and part.cluster == 0)


@inlined
def pooled(total: Float, known: Int, unknown: Int, design_effect: Float) -> Float:
    """Histories of the known, added and divided by 1 + d·(k − 1) + u·(n − k): they are not independent.

    >>> pooled(2.0, 11, 0, 0.1), round(pooled(2.0, 11, 100, 0.1), 2), pooled(0.0, 0, 0, 0.1)
    (1.0, 0.4, 0.0)
    """
    return total / (1.0 + design_effect * max(known - 1.0, 0.0) + UNKNOWN_EFFECT * unknown)


@inlined
def _unknown(claim: Any) -> Int:
    """Participants of whom no claim is settled, nets apart."""
    return np.int64(claim.participants - claim.netted - claim.known)


@inlined
def _all(claim: Any, root: Any, settings: Any) -> Float:
    return pooled(real(claim.history), claim.known, _unknown(claim), settings.history_design_effect)


@inlined
def _all_30(claim: Any, root: Any, settings: Any) -> Float:
    return pooled(real(claim.history_30), claim.known, _unknown(claim), settings.history_design_effect)


@inlined
def _newcomers(claim: Any, root: Any, settings: Any) -> Float:
    return -math.log1p(claim.regulars)


@inlined
def _repliers(claim: Any, root: Any, settings: Any) -> Float:
    """The root's author is no answer, and is taken out where the own post is in words."""
    answers, writers = real(claim.history_writers), claim.writers
    if claim.root > 0 and brings_record(root) and root.kind != RESHARE:
        own = np.float64(root.history)
        answers -= -own if root.stance == DENY else own
        writers -= 1
    return pooled(answers, writers, 0, settings.history_design_effect)


def strong_records(crowd: Crowd) -> Ranked:
    """Those whose own history leans most to that side."""
    return crowd.rows, crowd.sign * crowd.parts["history"][crowd.rows].astype(np.float64)


def newcomers(crowd: Crowd) -> Ranked:
    """Those who were in no claim before, or those who were, the earliest first."""
    rows = crowd.rows[(crowd.parts["record"][crowd.rows] == UNSEEN) == crowd.false]
    return rows, -crowd.parts["time_ms"][rows].astype(np.float64)


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
NEWCOMERS = Idea(
    "newcomers",
    "few of the people in it were in a claim before",
    "many of the people in it were in other claims before",
    newcomers,
)

HISTORIES = (
    Signal(
        name="history",
        prior=0.25,
        sd=TIGHT,
        meaning="on which side of falsehoods all participants stood before",
        form="Σ h / (1 + d·(k − 1) + u·(n − k))",
        compute=_all,
        idea=HISTORY,
        untaught=0.0,
    ),
    Signal(
        name="history_30",
        prior=0.55,
        sd=TIGHT,
        meaning="the same with a half-life of 30 days",
        form="Σ h₃₀ / (1 + d·(k − 1) + u·(n − k))",
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
    Signal(
        name="newcomers",
        prior=0.1,
        sd=LOOSE,
        meaning="how few of the participants were in any claim before, checked or not",
        form="−ln(1 + r), r participants who were in another claim before this one",
        compute=_newcomers,
        idea=NEWCOMERS,
        either=True,
        untaught=0.0,
    ),
)
