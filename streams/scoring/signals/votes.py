"""Votes: how people who wrote take sides, for or against what the root says, whoever they are.

S, D and Q count supports, denials and questions by people who wrote: no reshares, not the root's own post, and nothing
by accounts in copy-clusters.
"""

from __future__ import annotations

import numpy as np

from streams.contract.codes import DENY, QUERY, RESHARE, SUPPORT
from streams.scoring.numeric import Floats, Ints
from streams.scoring.signals.signal import FREE, LOOSE, TIGHT, Crowd, Idea, Ranked, Signal, View


def share(against: Ints, for_it: Ints) -> Floats:
    """[claims] a vote in (−1, 1) that is near 0 where few voted: (against − for it) / (both + 2).

    >>> share(np.array([0, 3]), np.array([0, 1])).round(3).tolist()
    [0.0, 0.333]
    """
    vote: Floats = (against - for_it) / (against + for_it + 2.0)
    return vote


def _own_support(view: View) -> Ints:
    """[roots] 1 where the author's last stance is a support in words. A reshare is among the reshares already."""
    parts, root = view.parts, view.root
    alone = parts["cl"][root] == 0
    begins: Ints = alone & (parts["x"][root] == SUPPORT) & (parts["kind"][root] != RESHARE)
    return begins


def _supports(view: View) -> Ints:
    supports: Ints = view["n1"] - view["spread"] - view["pc"] - view.of_claims(view.once(_own_support))
    return supports


def _denials(view: View) -> Ints:
    denials: Ints = view["n2"].astype(np.int64) - view["dc"]
    return denials


def _ratio(view: View) -> Floats:
    ratio: Floats = np.log((view.once(_denials) + 1.0) / (view.once(_supports) + 1.0))
    return ratio


def _unknown(view: View) -> Floats:
    fresh = view.once(_own_support) * (view.parts["band"][view.root] == 0)
    return share(view["d0"], view["p0"] - view.of_claims(fresh))


def _questions(view: View) -> Floats:
    queries = view["n3"]
    questions: Floats = queries / (view.once(_supports) + view.once(_denials) + queries + 3.0)
    return questions


def earliest_words(crowd: Crowd) -> Ranked:
    """Those who wrote on that side, the earliest first: denials and questions, or supports."""
    x = crowd.parts["x"][crowd.rows]
    rows = crowd.rows[(x == DENY) | (x == QUERY) if crowd.false else x == SUPPORT]
    return rows, -crowd.parts["t"][rows].astype(np.float64)


VOTE = Idea(
    "vote",
    "of those who wrote about it, more deny it than support it",
    "of those who wrote about it, more support it than deny it",
    earliest_words,
)
UNKNOWN = Idea(
    "vote_unknown",
    "accounts without a record side as in false claims",
    "accounts without a record side as in true ones",
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
        compute=lambda view: share(view.once(_denials), view.once(_supports)),
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
