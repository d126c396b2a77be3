"""Nets: the vote of accounts in copy-clusters, which keep each other's company and may turn from truth to lies.

What a net does to a first impression is learned apart from what it does later.
"""

from __future__ import annotations

from streams.scoring.numeric import Floats
from streams.scoring.signals.signal import FREE, Idea, Signal, View
from streams.scoring.signals.votes import earliest_words, share

CHANGING = 0.97  # they turn when it suits them: half of what was learned is forgotten after 23 verdicts


def _late(view: View) -> Floats:
    return share(view["dc"] - view["dr"], view["pc"] - view["pr"])


AS_ONE = Idea(
    "nets",
    "accounts that act as one side as in false claims",
    "accounts that act as one side as in true ones",
    earliest_words,
)

NETS = (
    Signal(
        name="net_rush",
        prior=0.0,
        sd=FREE,
        meaning="the vote of copy-clusters in a claim's first hour",
        form="(D − S) / (D + S + 2), of nets",
        compute=lambda view: share(view["dr"], view["pr"]),
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
