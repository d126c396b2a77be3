"""Credits: what a verdict says about the sources of a claim, applied as new minus old so that it can be taken back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from streams.scoring.config import ScoringConfig
from streams.scoring.numeric import Ints, add_at, begins_of, decay, distinct, order_of, to_fixed
from streams.tables.blocks import Block
from streams.tables.table import Table

COUNTED = ("right", "wrong", "f0", "t0")
RECORD, MONTH, TWO_MONTHS = ("rs", "es", "rd", "ed", "rp", "ep"), ("f30", "t30"), ("f60", "t60")
SUMMED = (*RECORD, *MONTH, *TWO_MONTHS)


def apply_credits(
    sources: Table, pairs: Table, source_rows: Ints, pair_rows: Ints, block: Block, config: ScoringConfig
) -> tuple[Ints, Ints]:
    """Replace what was applied for each (source, claim) by the block's credit, unless that is older.

    Of several rows of a pair the last one wins. Sums fade from the time of the ruling that caused them. They are kept
    as of the latest such time, so that the order in which rulings arrive does not matter.

    Returns:
        Rows of the credited sources, each once. And rows of those whose latest verdict was replaced: their sums must be
        counted again (`recount`), as of the latest verdict that is left.
    """
    order = order_of(pair_rows)
    at = order[np.append(begins_of(pair_rows[order])[1:], True)]  # the last row of each pair
    at = at[block["ver"][at] >= pairs["ver"][pair_rows[at]]]
    if not at.size:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    rows, pair = source_rows[at], pair_rows[at]
    replaced = rows[(pairs["f"][pair] != 0) & (pairs["t"][pair] == sources["ref"][rows])]
    settles = block["f"][at] != 0
    _advance(sources, rows[settles], block["t"][at][settles], config)
    again = ((pairs["f"][pair] != 0) | (pairs["y"][pair] != 0)).nonzero()[0]
    if again.size:
        _add(sources, pairs, rows[again], pair[again], -1, config)
    for field, name in (("ver", "ver"), ("y", "y"), ("f", "f"), ("x", "stance"), ("q", "q"), ("t", "t")):
        pairs[field][pair] = block[name][at]
    # q is read back from its column, so that taking it out later is exact.
    _add(sources, pairs, rows, pair, 1, config)
    return distinct(rows), distinct(replaced)


def recount(
    sources: Table, pairs: Table, source_rows: Ints, owner: Ints, pair_rows: Ints, config: ScoringConfig
) -> None:
    """Decayed sums of sources from all verdicts in force, at the time of the latest of them.

    If some of these verdicts were forgotten, the sums stay as they are.

    Args:
        owner, pair_rows: [pairs] index into `source_rows`, and row, of every pair settled by a verdict in force.
    """
    settled = sources["f0"][source_rows] + sources["t0"][source_rows]
    whole, record = recounted(pairs, owner, pair_rows, settled, config)
    for field, values in record.items():
        sources[field][source_rows[whole]] = values


def recounted(
    pairs: Table, owner: Ints, pair_rows: Ints, settled: Ints, config: ScoringConfig
) -> tuple[Ints, dict[str, npt.NDArray[Any]]]:
    """Time of the latest of the verdicts applied to pairs, and sums decayed to it, of the owners that can be counted.

    Args:
        settled: [owners] verdicts in force on each. If there are fewer pairs, some were forgotten.

    Returns:
        The owners of which nothing was forgotten, and their records.
    """
    count = len(settled)
    whole = np.flatnonzero(np.bincount(owner, minlength=count) == settled)
    ref = np.zeros(count, np.int64)
    np.maximum.at(ref, owner, pairs["t"][pair_rows])
    out: dict[str, npt.NDArray[Any]] = {"ref": ref[whole]}
    for field, amount in applied(pairs, pair_rows, ref[owner], config):
        if field in SUMMED:
            out[field] = np.bincount(owner, amount, minlength=count)[whole]
    return whole, out


def applied(
    pairs: Table, pair_rows: Ints, ref_ms: Ints, config: ScoringConfig
) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    """What the verdicts applied to pairs add to each field of a record, faded from their own times to `ref_ms`."""
    y, f, stance = pairs["y"][pair_rows], pairs["f"][pair_rows], pairs["x"][pair_rows]
    for field, side in (("right", y == 1), ("wrong", y == -1), ("f0", f == 1), ("t0", f == -1)):
        yield field, side
    age = np.maximum(ref_ms - pairs["t"][pair_rows], 0)
    fade = decay(age, config.credibility_half_life_ms)
    for field, outcome, kind in (("rs", 1, 1), ("es", -1, 1), ("rd", 1, 2), ("ed", -1, 2), ("rp", 1, 3), ("ep", -1, 3)):
        yield field, fade * ((y == outcome) & (stance == kind))
    for (false, true), half_life in zip((MONTH, TWO_MONTHS), config.history_half_lives_ms[1:], strict=True):
        fade = decay(age, half_life)
        yield false, fade * (f == 1)
        yield true, fade * (f == -1)


def _advance(sources: Table, rows: Ints, t_ms: Ints, config: ScoringConfig) -> None:
    """Bring the decayed sums of these sources to the latest settlement time."""
    unique = distinct(rows)
    before = sources["ref"][unique]
    np.maximum.at(sources["ref"], rows, t_ms)
    age = np.where(before > 0, sources["ref"][unique] - before, 0)
    _, month, two_months = config.history_half_lives_ms
    for fields, half_life in (
        (RECORD, config.credibility_half_life_ms), (MONTH, month), (TWO_MONTHS, two_months)
    ):  # fmt: skip
        fade = decay(age, half_life)
        for field in fields:
            sources[field][unique] *= fade


def _add(sources: Table, pairs: Table, rows: Ints, pair_rows: Ints, sign: int, config: ScoringConfig) -> None:
    """Add (or, with sign −1, take out) what is applied for pairs."""
    for field, amount in applied(pairs, pair_rows, sources["ref"][rows], config):
        add_at(sources[field], rows, sign * amount)
    y, surprise = pairs["y"][pair_rows], to_fixed(pairs["q"][pair_rows].astype(np.float64))
    one = to_fixed(np.ones(1))[0]
    add_at(sources["gain"], rows, sign * (one - surprise) * (y == 1))
    add_at(sources["loss"], rows, sign * surprise * (y == -1))
