"""Every signal of the risk, in the order in which states, lessons and versions of the parameters hold them.

A new signal is one entry in its family's file. Its weight, learning, ablation, explanation, the reasons of flags, its
line in docs/reference.md and the tests follow from the entry. Raise `STATE_VERSION` with it: snapshots for lessons
have a column for each signal. A signal that needs a new running sum needs the sum's column too: declare it in
`claims.claim_tables` and keep it in `claims.ledger`, added with a participant and taken out again by the same figures.
A new family is a new file, and its name below.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from streams.scoring.numeric import Float
from streams.scoring.signals.evidence import EVIDENCE
from streams.scoring.signals.histories import HISTORIES
from streams.scoring.signals.nets import NETS
from streams.scoring.signals.spread import SPREAD
from streams.scoring.signals.timing import TIMING
from streams.scoring.signals.votes import QUESTIONS, VOTES
from streams.tables.compiled import part_of_loops

REGISTRY = (*HISTORIES, *TIMING, *EVIDENCE, *VOTES, *NETS, *QUESTIONS, *SPREAD)
SIGNALS = tuple(s.name for s in REGISTRY)
PARAMETERS = tuple(f"risk_{name}" for name in SIGNALS)
PRIOR_WEIGHTS = tuple(s.prior for s in REGISTRY)
UNTAUGHT_WEIGHTS = tuple(s.prior if s.untaught is None else s.untaught for s in REGISTRY)
SHADOW = frozenset(s.name for s in REGISTRY if s.shadow)
EITHER_SIGN = frozenset(s.name for s in REGISTRY if s.either)
IDEAS = {s.idea.name: s.idea for s in REGISTRY}
IDEA_OF = tuple(list(IDEAS).index(s.idea.name) for s in REGISTRY)


def hear(claim: Any, root: Any, settings: Any, signals: Any) -> Float:
    """Hear every signal of a claim, into an array in the order of SIGNALS; compiled into the loops that call it.

    Args:
        root: participant who posted the root; any, if none did.
        settings: with the parameters in force.

    Returns:
        their weighted sum: log-odds of falsehood before calibration, without rulings.
    """
    z = settings.risk_bias
    for k, signal in enumerate(REGISTRY):
        signals[k] = signal.compute(claim, root, settings)
        z += signals[k] * settings.risk_weights[k]
    return float(z)


@part_of_loops(hear)
def _hear(claim: Any, root: Any, settings: Any, signals: Any) -> Callable[..., Any]:
    """The same with the loop written out: a compiled loop cannot go over functions."""
    lines = [
        f"    signals[{k}] = compute_{k}(claim, root, settings)\n    z += signals[{k}] * settings.risk_weights[{k}]\n"
        for k in range(len(REGISTRY))
    ]
    code = "def hear(claim, root, settings, signals):\n    z = settings.risk_bias\n" + "".join(lines) + "    return z\n"
    names: dict[str, Any] = {f"compute_{k}": signal.compute for k, signal in enumerate(REGISTRY)}
    exec(code, names)
    written: Callable[..., Any] = names["hear"]
    return written
