"""Every signal of the risk, in the order in which states, lessons and versions of the parameters hold them.

A new signal is one entry in its family's file. Its weight, learning, ablation, explanation, the reasons of flags, its
line in docs/reference.md and the tests follow from the entry. Raise `STATE_VERSION` with it: snapshots for lessons
have a column for each signal. A signal that needs a new running sum needs the sum's column too: declare it in
`claims.claim_tables` and keep it in `claims.ledger`, added with a participant and taken out again by the same figures.
A new family is a new file, and its name below.
"""

from __future__ import annotations

import numpy as np

from streams.scoring.numeric import Floats
from streams.scoring.signals.evidence import EVIDENCE
from streams.scoring.signals.histories import HISTORIES
from streams.scoring.signals.nets import NETS
from streams.scoring.signals.signal import View
from streams.scoring.signals.spread import SPREAD
from streams.scoring.signals.timing import TIMING
from streams.scoring.signals.votes import QUESTIONS, VOTES

REGISTRY = (*HISTORIES, *TIMING, *EVIDENCE, *VOTES, *NETS, *QUESTIONS, *SPREAD)
SIGNALS = tuple(s.name for s in REGISTRY)
PARAMETERS = tuple(f"risk_{name}" for name in SIGNALS)
PRIOR_WEIGHTS = tuple(s.prior for s in REGISTRY)
UNTAUGHT_WEIGHTS = tuple(s.prior if s.untaught is None else s.untaught for s in REGISTRY)
SHADOW = frozenset(s.name for s in REGISTRY if s.shadow)
EITHER_SIGN = frozenset(s.name for s in REGISTRY if s.either)
IDEAS = {s.idea.name: s.idea for s in REGISTRY}
IDEA_OF = tuple(list(IDEAS).index(s.idea.name) for s in REGISTRY)


def matrix(view: View) -> Floats:
    """Every signal of the view's claims: claims × SIGNALS."""
    values = np.empty((len(view.rows), len(REGISTRY)))
    for k, signal in enumerate(REGISTRY):
        values[:, k] = signal.compute(view)
    return values
