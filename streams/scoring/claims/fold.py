"""The loops of the claims stage: one row after the other, in the order of the log.

So the state does not depend on where the log was cut into records. A loop stops where Python has something to do, a
flag that moves, and is called again from the next row on.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from streams.contract.codes import POST
from streams.scoring import cascade
from streams.scoring.claims.claim_tables import ROOT_POST, Books
from streams.scoring.claims.crediting import Credits, credit
from streams.scoring.claims.edits import correct
from streams.scoring.claims.flags import STAYS, UPDATE, decide, hands_out, is_shown
from streams.scoring.claims.ledger import (
    admit,
    assert_stance,
    began_otherwise,
    put_in,
    take_out,
    take_root,
    take_stamp,
)
from streams.scoring.claims.lessons import note_ages, note_settled
from streams.scoring.claims.reading import READING, chance_of, read_claim, root_of
from streams.scoring.numeric import Int, Ints
from streams.scoring.parameters.flag_rules import RULE_COUNT
from streams.tables.compiled import compiled, inlined
from streams.tables.index import find, touch
from streams.tables.table import records_of

RULED = np.dtype([("claim", "i8"), ("verdict", "i1"), ("balance", "i4"), ("ruled_ms", "i8"), ("changed", "i1")])
"""What the rulings on a claim come to after one more."""


class Desk(NamedTuple):
    """What a loop works on beside the tables.

    Attributes:
        settings: [1] see `reading.settings_of`.
        clock: [1] the partition's clock.
        reading: [1] of the claim whose flag moved when the loop stopped.
        moved: [rules, 2] how, and its priority.
        told: room for claims that are to be published; some may come more than once.
        told_count: [1] how many there are.
    """

    settings: npt.NDArray[Any]
    clock: npt.NDArray[Any]
    reading: npt.NDArray[Any]
    moved: npt.NDArray[np.int64]
    told: Ints
    told_count: npt.NDArray[np.int64]


def desk_for(settings: npt.NDArray[Any], clock: npt.NDArray[Any], rows: int) -> Desk:
    """A desk for so many rows."""
    counts = np.zeros(1, np.int64)
    moved = np.zeros((RULE_COUNT, 2), np.int64)
    return Desk(settings, clock, records_of(1, READING), moved, np.empty(rows, np.int64), counts)


@compiled
def fold_events(books: Books, events: npt.NDArray[Any], first: Int, now_s: Int, desk: Desk, credits: Credits) -> int:
    """Take in stamped events.

    Args:
        events: rows of claim_tables.EVENT; chance, kind and id are written.
        first: event to begin with.
        now_s: append time of the block, seconds.

    Returns:
        the event after which a flag has to move (see `desk`); their number if none has to.
    """
    settings = desk.settings[0]
    for i in range(first, len(events)):
        event = events[i]
        desk.clock[0].seq += 1
        claim_row = event.claim
        claim = books.claims.records[claim_row]
        note_ages(books, claim_row, event.time_ms, settings, desk.reading[0].signals)
        event.chance = chance_of(claim, event.stance, settings)
        claim.seen = now_s
        touch(books.claims.rows, claim_row)
        count_event(books, event, settings)
        row = admit(books, claim_row, event.source)
        begins = False
        if event.root > 0:
            event.kind = ROOT_POST
            take_root(claim, row, event.time_ms, event.event)
            begins = claim.root_event == event.event
        take_out(books, row, settings)
        take_stamp(books.participants.records[row], event)
        assert_stance(books, row, event)
        put_in(books, row, settings)
        if claim.verdict > 0:
            credit(books, row, False, credits)
        if flag_moves(books, claim_row, desk, False, begins):
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
def participant_of(books: Books, event: Any) -> Int:
    """Row of the participant whom an event or a stamp is of, −1 if unknown."""
    if event.claim < 0 or event.source < 0:
        return -1
    return find(books.participants.rows, (event.claim << 32) | event.source)


@compiled
def fold_stamps(books: Books, events: npt.NDArray[Any], first: Int, desk: Desk) -> int:
    """Take in new stamps of participants; those who are unknown have none. See `fold_events`."""
    settings = desk.settings[0]
    for i in range(first, len(events)):
        desk.clock[0].seq += 1
        row = participant_of(books, events[i])
        if row < 0:
            continue
        take_out(books, row, settings)
        take_stamp(books.participants.records[row], events[i])
        put_in(books, row, settings)
        if flag_moves(books, events[i].claim, desk, False, False):
            return i
    return len(events)


@compiled
def fold_corrections(books: Books, changes: npt.NDArray[Any], first: Int, desk: Desk, credits: Credits) -> int:
    """Take in deletes and updates of what participants said; those of unknown events say nothing. See `fold_events`."""
    for i in range(first, len(changes)):
        desk.clock[0].seq += 1
        row = participant_of(books, changes[i])
        root = books.claims.records[max(changes[i].claim, 0)].root_event
        if row < 0 or not correct(books, row, changes[i], desk.settings[0], credits.reads[0]):
            continue
        claim = books.claims.records[changes[i].claim]
        if claim.verdict > 0:
            credit(books, row, False, credits)
        rewords = claim.root_event != root or (changes[i].root > 0 and changes[i].event == root)
        if flag_moves(books, changes[i].claim, desk, False, rewords):
            return i
    return len(changes)


@compiled
def fold_rulings(books: Books, ruled: npt.NDArray[Any], first: Int, now_s: Int, desk: Desk) -> int:
    """Take in what rulings come to, row by row of RULED; `changed` is written. See `fold_events`."""
    for i in range(first, len(ruled)):
        desk.clock[0].seq += 1
        ruling = ruled[i]
        claim = books.claims.records[ruling.claim]
        claim.seen = now_s
        ruling.changed = ruling.verdict != claim.verdict or ruling.ruled_ms != claim.ruled_ms
        claim.verdict, claim.ruled_ms, claim.rulings = ruling.verdict, ruling.ruled_ms, ruling.balance
        touch(books.claims.rows, ruling.claim)
        if ruling.changed > 0:
            claim.settlement, claim.owed = desk.clock[0].seq, 1
            note_settled(books, ruling.claim, desk.settings[0], desk.reading[0].signals)
        if flag_moves(books, ruling.claim, desk, True, False):
            return i
    return len(ruled)


@compiled
def decide_flags(books: Books, rows: Ints, first: Int, desk: Desk) -> int:
    """Decide on the flags of claims, from the `first` of the rows on. See `fold_events`."""
    for i in range(first, len(rows)):
        if flag_moves(books, rows[i], desk, False, False):
            return i
    return len(rows)


@inlined
def flag_moves(books: Books, claim_row: Int, desk: Desk, tell: bool, renews: bool) -> bool:
    """Read a claim that changed: whether a flag has to move, its own or one that was held back; how is on the desk.

    Whether the claim is to be told is on the desk, too.

    Args:
        tell: whether to tell it, though it moved immaterially.
        renews: whether its root changed, so that flags that stand say what it is now.
    """
    claim, reading, settings = books.claims.records[claim_row], desk.reading[0], desk.settings[0]
    touch(books.claims.rows, claim_row)
    if claim.events == 0 and claim.told == 0 and not is_shown(claim):
        return False  # nobody heard of it
    reading.claim = claim_row
    read_claim(claim, root_of(books, claim), settings, True, reading)
    moves = False
    for k in range(RULE_COUNT):
        action, rank = decide(claim, reading, desk.clock[0], settings, k)
        if renews and action == STAYS and claim.flag[k] > 0:
            action = UPDATE
        desk.moved[k, 0], desk.moved[k, 1] = action, rank
        moves = moves or action != STAYS
    if tell or moves or moved(claim, reading, settings):
        note_told(claim, reading)
        desk.told[desk.told_count[0]] = claim_row
        desk.told_count[0] += 1
    hands = hands_out(desk.clock[0], claim.last_ms, settings)
    return bool(moves or hands)


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


@inlined
def note_told(claim: Any, reading: Any) -> None:
    """Keep what a claim was told as."""
    claim.told, claim.told_score, claim.told_risk = claim.events, reading.score_z, reading.risk_z


@compiled
def tell(books: Books, rows: Ints, settings: npt.NDArray[Any], reading: npt.NDArray[Any]) -> None:
    """Note that claims are told as they stand now."""
    for row in rows:
        claim = books.claims.records[row]
        read_claim(claim, root_of(books, claim), settings[0], True, reading[0])
        note_told(claim, reading[0])
        touch(books.claims.rows, row)
