"""Nets: the vote of accounts in copy-clusters, which keep each other's company and may turn from truth to lies.

What a net does to a first impression is learned apart from what it does later.
"""

from __future__ import annotations

from typing import Any

from streams.scoring.numeric import Float
from streams.scoring.signals.signal import FREE, Idea, Signal
from streams.scoring.signals.votes import earliest_words, share
from streams.tables.compiled import inlined

CHANGING = 0.97  # they turn when it suits them: half of what was learned is forgotten after 23 verdicts


@inlined
def _rush(claim: Any, root: Any, settings: Any) -> Float:
    return share(claim.rush_denials, claim.rush_supports)


@inlined
def _late(claim: Any, root: Any, settings: Any) -> Float:
    return share(claim.net_denials - claim.rush_denials, claim.net_supports - claim.rush_supports)


AS_ONE = Idea(
    "nets",
    "accounts that act as one take sides as they do in false claims",
    "accounts that act as one take sides as they do in true claims",
    earliest_words,
)

NETS = (
    Signal(
        name="net_rush",
        prior=0.0,
        sd=FREE,
        meaning="the vote of copy-clusters in a claim's first hour",
        form="(D − S) / (D + S + 2), of nets",
        compute=_rush,
        idea=AS_ONE,
        either=True,
        remember=CHANGING,
    ),
    Signal(
        name="net_late",
        prior=0.0,
        sd=FREE,
        meaning="their vote later",
        form="the same",
        compute=_late,
        idea=AS_ONE,
        either=True,
        remember=CHANGING,
    ),
)
