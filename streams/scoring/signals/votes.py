"""Votes: how people who wrote take sides, for or against what the root says, whoever they are.

S, D and Q count supports, denials and questions by people who wrote: no reshares, not the root's own post, and nothing
by accounts in copy-clusters.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from streams.contract.codes import DENY, QUERY, RESHARE, SUPPORT
from streams.scoring.numeric import Float, Int
from streams.scoring.signals.signal import FREE, LOOSE, TIGHT, Crowd, Idea, Ranked, Signal
from streams.tables.compiled import inlined


@inlined
def share(against: Int, for_it: Int) -> Float:
    """A vote that few leave near 0: (against − for it) / (both + 2).

    >>> share(0, 0), round(share(3, 1), 3)
    (0.0, 0.333)
    """
    return (against - for_it) / (against + for_it + 2.0)


@inlined
def _own_support(claim: Any, root: Any) -> bool:
    """Whether the root's author supports the own post, as who shared it since does not: that is among the reshares."""
    return bool(claim.root > 0 and root.cluster == 0 and root.stance == SUPPORT and root.kind != RESHARE)


@inlined
def _supports(claim: Any, root: Any) -> Int:
    return np.int64(claim.supports - claim.reshares - claim.net_supports - _own_support(claim, root))


@inlined
def _denials(claim: Any) -> Int:
    return np.int64(claim.denials - claim.net_denials)


@inlined
def _vote(claim: Any, root: Any, settings: Any) -> Float:
    return share(_denials(claim), _supports(claim, root))


@inlined
def _ratio(claim: Any, root: Any, settings: Any) -> Float:
    return math.log((_denials(claim) + 1.0) / (_supports(claim, root) + 1.0))


@inlined
def _unknown(claim: Any, root: Any, settings: Any) -> Float:
    fresh = _own_support(claim, root) and root.band == 0
    return share(claim.new_denials, claim.new_supports - fresh)


@inlined
def _questions(claim: Any, root: Any, settings: Any) -> Float:
    return float(claim.queries / (_supports(claim, root) + _denials(claim) + claim.queries + 3.0))


def earliest_words(crowd: Crowd) -> Ranked:
    """Those who wrote on that side, the earliest first: denials and questions, or supports."""
    x = crowd.parts["stance"][crowd.rows]
    rows = crowd.rows[(x == DENY) | (x == QUERY) if crowd.false else x == SUPPORT]
    return rows, -crowd.parts["time_ms"][rows].astype(np.float64)


VOTE = Idea(
    "vote",
    "of those who wrote about it, more deny it than support it",
    "of those who wrote about it, more support it than deny it",
    earliest_words,
)
UNKNOWN = Idea(
    "vote_unknown",
    "accounts without a record take sides as they do in false claims",
    "accounts without a record take sides as they do in true claims",
    earliest_words,
)
ASKING = Idea("query", "many ask whether it is true", "few ask whether it is true", earliest_words)

VOTES = (
    Signal(
        name="vote",
        prior=0.4,
        sd=LOOSE,
        meaning="denials against supports, reshares apart",
        form="(D − S) / (D + S + 2)",
        compute=_vote,
        idea=VOTE,
        untaught=1.0,
    ),
    Signal(
        name="denial",
        prior=0.3,
        sd=LOOSE,
        meaning="the same as a ratio",
        form="ln((D + 1) / (S + 1))",
        compute=_ratio,
        idea=VOTE,
        untaught=1.0,
    ),
    Signal(
        name="vote_unknown",
        prior=0.0,
        sd=FREE,
        meaning="the vote of those without any settled claim: fresh accounts that push one way",
        form="(D₀ − S₀) / (D₀ + S₀ + 2)",
        compute=_unknown,
        idea=UNKNOWN,
        either=True,
    ),
)
QUESTIONS = (
    # In shadow, because its sign changes from one platform to another.
    Signal(
        name="query",
        prior=0.0,
        sd=TIGHT,
        meaning="share of questions among written stances",
        form="Q / (S + D + Q + 3)",
        compute=_questions,
        idea=ASKING,
        shadow=True,
    ),
)
