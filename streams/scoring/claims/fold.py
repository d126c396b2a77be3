"""The loops of the claims stage: one event after the other, in the order of the log.

So the state does not depend on where a log record was cut. A loop stops where Python has something to do, a flag that
moves, and is called again from the next row on.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from streams.contract.codes import POST
from streams.scoring import cascade
from streams.scoring.claims.claim_tables import ROOT_POST, Books
from streams.scoring.claims.crediting import Credits, credit
from streams.scoring.claims.flags import STAYS, decide
from streams.scoring.claims.ledger import (
    TextMoves,
    admit,
    assert_stance,
    began_otherwise,
    put_in,
    take_out,
    take_root,
    take_stamp,
)
from streams.scoring.claims.lessons import note_ages
from streams.scoring.claims.reading import chance_of, read_claim, read_spread
from streams.scoring.numeric import Int, Ints
from streams.tables.compiled import compiled, inlined
from streams.tables.index import find, touch


class Desk(NamedTuple):
    """What a loop works on beside the tables.

    Attributes:
        settings: [1] see `reading.settings_of`.
        clock: [1] the partition's clock.
        reading: [1] of the claim whose flag moved when the loop stopped.
        moved: [2] how, and its priority.
    """

    settings: npt.NDArray[Any]
    clock: npt.NDArray[Any]
    reading: npt.NDArray[Any]
    moved: npt.NDArray[np.int64]


@compiled
def fold_events(
    books: Books, events: npt.NDArray[Any], first: Int, now_s: Int, desk: Desk, texts: TextMoves, credits: Credits
) -> int:
    """Take in stamped events.

    Args:
        events: rows of claim_tables.EVENT; chance and kind are written.
        first: event to begin with.
        now_s: append time of the block, seconds.

    Returns:
        the event after which a flag has to move (see `desk`); their number if none has to.
    """
    settings = desk.settings[0]
    for i in range(first, len(events)):
        event = events[i]
        if i > 0:  # the first is counted as the log record
            desk.clock[0].seq += 1
        claim_row = event.claim
        claim = books.claims.records[claim_row]
        note_ages(books, claim_row, event.time_ms, settings, desk.reading[0].signals)
        event.chance = chance_of(claim, event.stance, settings)
        claim.seen = now_s
        touch(books.claims.rows, claim_row)
        count_event(books, event, settings)
        row = admit(books, claim_row, event.source)
        if event.root > 0:
            event.kind = ROOT_POST
            take_root(claim, row, event.time_ms, event.event)
        take_out(books, row, settings)
        take_stamp(books.participants.records[row], event)
        assert_stance(books, row, event, i, texts)
        put_in(books, row, settings)
        if claim.verdict > 0:
            credit(books, row, False, credits)
        if flag_moves(books, claim_row, desk):
            return i
    return len(events)


@inlined
def count_event(books: Books, event: Any, settings: Any) -> None:
    """What an event does to its claim whoever it is of."""
    claim = books.claims.records[event.claim]
    begins = event.time_ms < claim.first_ms and claim.events > 0
    cascade.arrive(claim, event.time_ms)
    if begins:
        began_otherwise(books, event.claim, settings)
    if event.kind == POST:
        claim.bare = 0


@inlined
def flag_moves(books: Books, claim_row: Int, desk: Desk) -> bool:
    """Whether a claim's flag has to move now; how is on the desk."""
    claim, settings, reading = books.claims.records[claim_row], desk.settings[0], desk.reading[0]
    few = claim.participants < settings.flag_min_participants
    if claim.flag <= 0 and (few or claim.verdict > 0):
        return False  # no flag can rise, and no alarm counts
    read_claim(books, claim_row, settings, True, reading)
    action, rank = decide(claim, reading, desk.clock[0], settings)
    desk.moved[0], desk.moved[1] = action, rank
    return bool(action != STAYS)


@compiled
def fold_stamps(books: Books, events: npt.NDArray[Any], first: Int, desk: Desk) -> int:
    """Take in new stamps of participants; those who are unknown have none. See `fold_events`."""
    settings = desk.settings[0]
    for i in range(first, len(events)):
        event = events[i]
        if i > 0:
            desk.clock[0].seq += 1
        if event.claim < 0 or event.source < 0:
            continue
        row = find(books.participants.rows, (event.claim << 32) | event.source)
        if row < 0:
            continue
        take_out(books, row, settings)
        take_stamp(books.participants.records[row], event)
        put_in(books, row, settings)
        touch(books.claims.rows, event.claim)
        if flag_moves(books, event.claim, desk):
            return i
    return len(events)


@compiled
def decide_flags(books: Books, rows: Ints, first: Int, desk: Desk) -> int:
    """Decide on the flags of claims, from the `first` of the rows on. See `fold_events`."""
    for i in range(first, len(rows)):
        claim = books.claims.records[rows[i]]
        if claim.events > 0 or claim.told > 0 or claim.flag > 0:
            touch(books.claims.rows, rows[i])
            if flag_moves(books, rows[i], desk):
                return i
    return len(rows)


@compiled
def tell(books: Books, rows: Ints, everything: bool, settings: npt.NDArray[Any], readings: npt.NDArray[Any]) -> int:
    """Read the claims that moved materially since they were last told, or all, and note that they are told.

    Returns:
        how many readings there are.
    """
    count = 0
    for row in rows:
        claim = books.claims.records[row]
        if claim.events == 0 and claim.told == 0 and claim.flag <= 0:
            continue
        reading = readings[count]
        read_claim(books, row, settings[0], True, reading)
        if everything or moved(claim, reading, settings[0]):
            read_spread(claim, reading)
            claim.told, claim.told_score, claim.told_risk = claim.events, reading.score_z, reading.risk_z
            touch(books.claims.rows, row)
            count += 1
    return count


@inlined
def moved(claim: Any, reading: Any, settings: Any) -> bool:
    """Whether a claim moved materially since it was last told."""
    return bool(
        claim.told == 0
        or claim.events == 0
        or abs(reading.score_z - claim.told_score) > settings.publish_epsilon
        or abs(reading.risk_z - claim.told_risk) > settings.publish_epsilon
        or claim.events > claim.told * (1.0 + settings.publish_growth)
    )
