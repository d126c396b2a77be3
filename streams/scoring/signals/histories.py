"""Histories: on which side of what turned out false do the participants tend to stand?

h is the history of one participant (see `sources.history`), with a minus sign if it denies the claim. n counts all
participants, known or not, so that a claim's size says nothing; k counts the known ones; d = .1 is the design effect.
Known is who has a settled claim and is in no copy-cluster: accounts that act as one bring no record of their own, and
`nets` hears what they say.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from streams.contract.codes import DENY, RESHARE
from streams.scoring.numeric import Floats, Ints, from_fixed
from streams.scoring.signals.signal import TIGHT, Crowd, Idea, Ranked, Signal, View, first_post
from streams.tables.table import Table


def brings_record(parts: Table, rows: Ints) -> npt.NDArray[np.bool_]:
    """Which participants count in the pools of histories: known, and in no copy-cluster."""
    brings: npt.NDArray[np.bool_] = (parts["known"][rows] > 0) & (parts["cl"][rows] == 0)
    return brings


def pooled(total: Floats, known: Floats | Ints, design_effect: float) -> Floats:
    """Histories of a claim's known participants, added and divided by 1 + d·(k − 1): they are not independent.

    >>> pooled(np.array([2.0, 0.0]), np.array([11.0, 0.0]), 0.1).tolist()
    [1.0, 0.0]
    """
    result: Floats = total / (1.0 + design_effect * np.maximum(known - 1.0, 0.0))
    return result


def _pool(view: View, total: str, of: Floats | Ints) -> Floats:
    return pooled(from_fixed(view[total]), of, view.config.history_design_effect)


def _root(view: View) -> Floats:
    own: Floats = view.of_claims(view.once(_own))
    return own


def _own(view: View) -> Floats:
    own: Floats = view.parts["h0"][view.root].astype(np.float64)
    return own


def _repliers(view: View) -> Floats:
    """[claims] pooled histories of who answered in words; without the root's author, who answered nobody."""
    parts, root = view.parts, view.root
    own = view.once(_own)
    wrote = brings_record(parts, root) & (parts["kind"][root] != RESHARE)
    said = np.where(wrote, np.where(parts["x"][root] == DENY, -own, own), 0.0)
    answers = from_fixed(view["hw"]) - view.of_claims(said)
    writers = view["writers"].astype(np.float64) - view.of_claims(wrote)
    return pooled(answers, writers, view.config.history_design_effect)


def strong_records(crowd: Crowd) -> Ranked:
    """Those whose own history leans most to that side."""
    return crowd.rows, crowd.sign * crowd.parts["h0"][crowd.rows].astype(np.float64)


HISTORY = Idea(
    "history",
    "its participants took part in false claims more than is usual",
    "its participants took part in true claims more than is usual",
    strong_records,
)
VETERANS = Idea(
    "history_veterans",
    "those with a long record mostly spread false claims",
    "those with a long record mostly spread true ones",
    strong_records,
)
REPLIERS = Idea(
    "history_repliers",
    "who answers it mostly took part in false claims",
    "who answers it mostly took part in true claims",
    strong_records,
)
ROOT = Idea(
    "root",
    "who posted it first has spread falsehoods before",
    "who posted it first has spread truths before",
    first_post,
)

HISTORIES = (
    Signal(
        name="history",
        prior=0.4,
        sd=TIGHT,
        meaning="on which side of falsehoods all participants stood before, whatever the claim's size",
        form="Σ h / (1 + d·(n − 1))",
        compute=lambda view: _pool(view, "hs0", view.people),
        idea=HISTORY,
        untaught=0.0,
    ),
    Signal(
        name="history_30",
        prior=0.4,
        sd=TIGHT,
        meaning="the same with a half-life of 30 days",
        form="Σ h₃₀ / (1 + d·(n − 1))",
        compute=lambda view: _pool(view, "hs30", view.people),
        idea=HISTORY,
        untaught=0.0,
    ),
    Signal(
        name="history_60",
        prior=0.4,
        sd=TIGHT,
        meaning="the same with a half-life of 60 days",
        form="Σ h₆₀ / (1 + d·(n − 1))",
        compute=lambda view: _pool(view, "hs60", view.people),
        idea=HISTORY,
        untaught=0.0,
    ),
    Signal(
        name="history_known",
        prior=0.05,
        sd=TIGHT,
        meaning="the same, over participants with a record alone",
        form="Σ h / (1 + d·(k − 1))",
        compute=lambda view: _pool(view, "hs0", view.known),
        idea=HISTORY,
        untaught=0.0,
    ),
    Signal(
        name="history_veterans",
        prior=0.1,
        sd=TIGHT,
        meaning="the same, over participants in eight settled claims or more, who are fewer and say more",
        form="Σ h / (1 + d·(v − 1)), over v veterans",
        compute=lambda view: _pool(view, "hv", view["veterans"]),
        idea=VETERANS,
        untaught=0.0,
    ),
    Signal(
        name="history_repliers",
        prior=0.3,
        sd=TIGHT,
        meaning="the same, over those who answered in words, the root's author apart",
        form="Σ h / (1 + d·(a − 1)), over a known answers",
        compute=_repliers,
        idea=REPLIERS,
        untaught=0.0,
    ),
    # Where histories do not average 0, k shifts the pools above. Through this signal verdicts take the shift out.
    Signal(
        name="crowd_known",
        prior=0.0,
        sd=0.05,
        meaning="how many have a record, whatever it says: lets verdicts take out the shift that their number alone "
        "gives the pools",
        form="k / (1 + d·(k − 1))",
        compute=lambda view: pooled(view.known, view.known, view.config.history_design_effect),
        idea=HISTORY,
        either=True,
    ),
    Signal(
        name="root",
        prior=0.05,
        sd=TIGHT,
        meaning="the root author's own history",
        form="h of who posted it first",
        compute=_root,
        idea=ROOT,
        untaught=0.0,
    ),
)
