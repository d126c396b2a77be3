"""Credits: what a verdict says about the sources of a claim, applied as new minus old so that it can be taken back."""

from __future__ import annotations

import numpy as np

from streams.blocks import Block
from streams.columns import Table
from streams.scoring.config import ScoringConfig
from streams.scoring.numeric import Floats, Ints, decay, distinct, to_fixed

DECAYED = ("rs", "es", "rd", "ed", "rp", "ep")


def apply_credits(
    sources: Table, pairs: Table, source_rows: Ints, pair_rows: Ints, block: Block, config: ScoringConfig
) -> Ints:
    """Replace what was applied for each (source, claim) by the block's credit, unless that is older.

    The last row of a pair in the block wins. Sums decay from the time of the ruling that caused them; they are kept
    at the latest such time, so the order in which rulings arrive does not matter.

    Returns:
        rows of the sources that were credited, each once.
    """
    unique, last = np.unique(pair_rows[::-1], return_index=True)
    at = len(pair_rows) - 1 - last
    at = at[block["ver"][at] >= pairs["ver"][unique]]
    if not at.size:
        return np.zeros(0, np.int64)
    rows, pair = source_rows[at], pair_rows[at]
    _advance(sources, rows, block["t"][at], config)
    _add(
        sources,
        rows,
        -1,
        pairs["y"][pair],
        pairs["f"][pair],
        pairs["x"][pair],
        pairs["q"][pair],
        pairs["t"][pair],
        config,
    )
    for field, name in (("ver", "ver"), ("y", "y"), ("f", "f"), ("x", "stance"), ("q", "q"), ("t", "t")):
        pairs[field][pair] = block[name][at]
    # Read q back from its column, in whose precision it will be taken out again.
    _add(
        sources,
        rows,
        1,
        pairs["y"][pair],
        pairs["f"][pair],
        pairs["x"][pair],
        pairs["q"][pair],
        pairs["t"][pair],
        config,
    )
    return distinct(rows)


def _advance(sources: Table, rows: Ints, t_ms: Ints, config: ScoringConfig) -> None:
    """Bring the decayed sums of these sources to the latest settlement time."""
    unique = distinct(rows)
    before = sources["ref"][unique]
    np.maximum.at(sources["ref"], rows, t_ms)
    age = np.where(before > 0, sources["ref"][unique] - before, 0)
    fade = decay(age, config.credibility_half_life_ms)
    for field in DECAYED:
        sources[field][unique] *= fade
    for name, half_life in zip(("30", "60"), config.history_half_lives_ms[1:], strict=True):
        fade = decay(age, half_life)
        sources["f" + name][unique] *= fade
        sources["t" + name][unique] *= fade


def _add(
    sources: Table, rows: Ints, sign: int, y: Ints, f: Ints, stance: Ints, q: Floats, t_ms: Ints, config: ScoringConfig
) -> None:
    """Add (or, with sign −1, take out) credits, each faded from its own time to the source's reference time."""
    age = np.maximum(sources["ref"][rows] - t_ms, 0)
    fade = decay(age, config.credibility_half_life_ms) * sign
    for field, outcome, kind in (("rs", 1, 1), ("es", -1, 1), ("rd", 1, 2), ("ed", -1, 2), ("rp", 1, 3), ("ep", -1, 3)):
        np.add.at(sources[field], rows, fade * ((y == outcome) & (stance == kind)))
    np.add.at(sources["right"], rows, sign * (y == 1).astype(np.int32))
    np.add.at(sources["wrong"], rows, sign * (y == -1).astype(np.int32))
    np.add.at(sources["f0"], rows, sign * (f == 1).astype(np.int32))
    np.add.at(sources["t0"], rows, sign * (f == -1).astype(np.int32))
    for name, half_life in zip(("30", "60"), config.history_half_lives_ms[1:], strict=True):
        fade = decay(age, half_life) * sign
        np.add.at(sources["f" + name], rows, fade * (f == 1))
        np.add.at(sources["t" + name], rows, fade * (f == -1))
    surprise = to_fixed(np.asarray(q, np.float64))
    one = to_fixed(np.ones(1))[0]
    np.add.at(sources["gain"], rows, sign * (one - surprise) * (y == 1))
    np.add.at(sources["loss"], rows, sign * surprise * (y == -1))
