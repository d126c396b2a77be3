"""Participation history: on which side of what turned out false does this source tend to stand?

    hist = ln((F + m/2) / (T + m/2))          F, T decayed counts of settled claims, m = 3

F counts false claims that the source took part in and true ones that it denied, T true claims taken part in and false
ones denied; a claim pools hist over its participants, deniers with a minus sign. Without stances this is plain
participation, with them it is close to a record of being wrong. The pseudo-counts are equal on purpose: a running base
rate drifts with the calendar, and where verdicts on the same story are withheld it even leans against the truth.
Kept undecayed, and with a half-life of 30 days. It feeds `risk` only: repeating a falsehood is no witness against it.

Source: measured (scoring notes of this project): the one signal that carried over between all platforms tried.
Range: about ±4 nats. Failure modes: says nothing on platforms whose users hardly recur; inherits the choice of what
fact-checkers check; people who debunk without a stance count as participants.
"""

from __future__ import annotations

import numpy as np

from streams.scoring.numeric import Float, log_odds
from streams.tables.compiled import compiled


@compiled
def log_odds_of_false(false: Float, true: Float, base_false: Float, strength: Float) -> Float:
    """History of a source with these counts, nats.

    >>> log_odds_of_false(0.0, 0.0, 0.5, 2.0), round(log_odds_of_false(3.0, 0.0, 0.5, 2.0), 3)
    (0.0, 1.386)
    """
    base = min(max(base_false, 0.02), 0.98)
    return float(np.log((false + strength * base) / (true + strength * (1.0 - base))) - log_odds(base))
