"""Credits: what a verdict says about the sources of a claim, applied as new minus old so that it can be taken back.

Sums decay from the time of the ruling that caused them. They are kept at the latest such time, so that the order in
which rulings arrive does not matter. Where a credit replaces the latest verdict on a source, its sums are counted again
as of the latest that is left.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from streams.contract.codes import DENY, PASSED_ON, SUPPORT
from streams.scoring.config import ScoringConfig
from streams.scoring.numeric import Float, Int, Ints, faded, fixed
from streams.scoring.sources.open_claims import join
from streams.scoring.sources.source_tables import SourceViews
from streams.tables.compiled import compiled
from streams.tables.index import touch

ONE = 1 << 30  # fixed point


class HalfLives(NamedTuple):
    """In ms; 0: none."""

    record: float
    history: float


class Credits(NamedTuple):
    """The rows of a "credits" block, sources and claims by row."""

    source: Ints
    claim: Ints
    settlement: Ints
    outcome: npt.NDArray[np.int8]
    finding: npt.NDArray[np.int8]
    stance: npt.NDArray[np.int8]
    expected: npt.NDArray[np.float64]
    ruled_ms: Ints


def half_lives(config: ScoringConfig) -> HalfLives:
    """Of a source's record and of its decayed history."""
    return HalfLives(float(config.credibility_half_life_ms), float(config.history_half_life_ms))


@compiled
def apply_credits(
    tables: SourceViews, credits: Credits, now_s: Int, halves: HalfLives, pairs: Ints, changed: Ints
) -> int:
    """Replace what was applied for each (source, claim) by its credit, unless that is older.

    Args:
        pairs: room for the row of each pair.
        changed: and for the rows of sources whose record changed, once for each credit that changed it.

    Returns:
        how many of these there are.
    """
    count = 0
    for i in range(len(credits.source)):
        source = credits.source[i]
        row, _ = join(tables, source, credits.claim[i])  # forgotten meanwhile: a revision must find what was applied
        pair = tables.pairs.records[row]
        pair.seen_s = now_s
        touch(tables.pairs.rows, row)
        pairs[i] = row
        if credits.settlement[i] >= pair.settlement:
            _replace(tables, source, row, credits, i, halves)
            touch(tables.sources.rows, source)
            changed[count] = source
            count += 1
    return count


@compiled
def _replace(tables: SourceViews, source: Int, row: Int, credits: Credits, i: Int, halves: HalfLives) -> None:
    record, pair = tables.sources.records[source], tables.pairs.records[row]
    was_latest = pair.finding != 0 and pair.ruled_ms == record.ruled_ms
    if credits.finding[i] != 0:
        _advance(record, credits.ruled_ms[i], halves)
    if pair.finding != 0 or pair.outcome != 0:
        count_verdict(record, pair, -1)
        add_verdict(record, pair, -1.0, halves)
    pair.settlement = credits.settlement[i]
    pair.outcome, pair.finding, pair.stance = credits.outcome[i], credits.finding[i], credits.stance[i]
    pair.expected, pair.ruled_ms = credits.expected[i], credits.ruled_ms[i]
    # What was expected is read back from the pair, in whose precision it will be taken out again.
    count_verdict(record, pair, 1)
    add_verdict(record, pair, 1.0, halves)
    if was_latest:
        recount(record, tables.pairs.records, -1, halves)


@compiled
def _advance(record: Any, ruled_ms: Int, halves: HalfLives) -> None:
    """Bring a record's sums to a later settlement time."""
    if ruled_ms <= record.ruled_ms:
        return
    if record.ruled_ms > 0:
        age = ruled_ms - record.ruled_ms
        _scale(record, faded(age, halves.record), faded(age, halves.history))
    record.ruled_ms = ruled_ms


@compiled
def _scale(record: Any, by: Float, history: Float) -> None:
    """Multiply a record's sums."""
    record.right_supports *= by
    record.wrong_supports *= by
    record.right_denials *= by
    record.wrong_denials *= by
    record.right_reshares *= by
    record.wrong_reshares *= by
    record.joined_false_30 *= history
    record.joined_true_30 *= history


@compiled
def count_verdict(record: Any, pair: Any, sign: Int) -> None:
    """Add what is applied for a pair to the counts of a record that do not decay, or (−1) take it out."""
    surprise = fixed(pair.expected)
    if pair.outcome == 1:
        record.right += sign
        record.gain += sign * (ONE - surprise)
    elif pair.outcome == -1:
        record.wrong += sign
        record.loss += sign * surprise
    if pair.finding == 1:
        record.joined_false += sign
    elif pair.finding == -1:
        record.joined_true += sign


@compiled
def add_verdict(record: Any, pair: Any, sign: Float, halves: HalfLives) -> None:
    """The same for its decayed sums: from the verdict's own time to the record's."""
    age = max(record.ruled_ms - pair.ruled_ms, 0)
    amount = sign * faded(age, halves.record)
    if pair.outcome == 1:
        record.right_supports += amount * (pair.stance == SUPPORT)
        record.right_denials += amount * (pair.stance == DENY)
        record.right_reshares += amount * (pair.stance == PASSED_ON)
    elif pair.outcome == -1:
        record.wrong_supports += amount * (pair.stance == SUPPORT)
        record.wrong_denials += amount * (pair.stance == DENY)
        record.wrong_reshares += amount * (pair.stance == PASSED_ON)
    joined = sign * faded(age, halves.history)
    if pair.finding == 1:
        record.joined_false_30 += joined
    elif pair.finding == -1:
        record.joined_true_30 += joined


@compiled
def recount(record: Any, pairs: Any, except_row: Int, halves: HalfLives) -> None:
    """A record's sums anew, from all verdicts in force but one, at the time of the latest of them.

    Where a part of what is in force was forgotten, the sums stay at the time to which they were brought.
    """
    count, latest, link = 0, np.int64(0), record.newest
    while link:
        if pairs[link - 1].finding != 0 and link - 1 != except_row:
            count += 1
            latest = max(latest, pairs[link - 1].ruled_ms)
        link = pairs[link - 1].older
    if count != record.joined_false + record.joined_true:
        return
    record.ruled_ms = latest
    _scale(record, 0.0, 0.0)
    link = record.newest
    while link:
        if pairs[link - 1].finding != 0 and link - 1 != except_row:
            add_verdict(record, pairs[link - 1], 1.0, halves)
        link = pairs[link - 1].older
