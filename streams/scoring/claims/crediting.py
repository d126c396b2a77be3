"""Credits: how a verdict finds each participant of its claim, as sources are told.

A verdict credits what stood just before the claim's first ruling, where nothing is taken back since: the participant's
last assertion by then. Whoever joins, or changes, a settled claim is credited at once; a verdict that changes, in
steps, claim by claim and in each from the latest to join.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from streams.contract.codes import DELETE, DENY, FALSE, PASSED_ON, RESHARE, SUPPORT, TRUE
from streams.scoring.claims.claim_tables import Books, asserts
from streams.scoring.claims.edits import END_MS, read_at
from streams.scoring.claims.ledger import outranks
from streams.scoring.numeric import Float, Int, Ints
from streams.tables.compiled import compiled, inlined
from streams.tables.index import touch
from streams.tables.table import records_of

CREDIT = np.dtype([
    ("participant", "i8"),
    ("claim", "i8"),
    ("right", "i1"),  # +1 right, −1 wrong, 0 none
    ("stance", "i1"),
    ("chance", "f8"),
    ("finding", "i1"),
    ("former_right", "i1"),  # what was sent before
    ("former_stance", "i1"),
    ("band", "i1"),
    ("netted", "i1"),
])  # fmt: skip
# What an event says at a time.
READS = np.dtype([
    ("stands", "i8"), ("stance", "i1"), ("kind", "i1"), ("time_ms", "i8"), ("event", "u8"), ("text", "u8"),
    ("chance", "f4"), ("stance_ms", "i8"), ("text_ms", "i8"),
])  # fmt: skip


class Credits(NamedTuple):
    """What leaves for the sources.

    Attributes:
        rows: room for credits.
        filled: [1] how many there are.
        reads: [3] room to work in.
    """

    rows: npt.NDArray[Any]
    filled: npt.NDArray[np.int64]
    reads: npt.NDArray[Any]


def room(rows: int) -> Credits:
    """Room for so many credits."""
    return Credits(records_of(rows, CREDIT), np.zeros(1, np.int64), records_of(3, READS))


@inlined
def said_as(stance: Int, kind: Int) -> Int:
    """A stance as credits name it: supports that pass on another's words are apart from those people wrote."""
    return PASSED_ON if stance == SUPPORT and kind == RESHARE else stance


@inlined
def is_original(edit: Any) -> bool:
    """Whether it is what a corrected event said at first, not a correction."""
    return bool(edit.kind < DELETE)


@inlined
def corrected(books: Books, first: Int, event: Int) -> bool:
    """Whether a chain of corrections, that begins there, has any of the event."""
    link = first
    while link > 0:
        if books.edits.records[link - 1].event == event:
            return True
        link = np.int64(books.edits.records[link - 1].next)
    return False


@inlined
def _take_later(best: Any, said: Any, before_ms: Int) -> None:
    """Let an assertion made before a time be the best, if it is the latest so far."""
    if said.time_ms >= before_ms or not asserts(said.stance):
        return
    if best.stands and (said.time_ms, said.event) <= (best.time_ms, best.event):
        return
    best.stands, best.stance, best.kind, best.chance = 1, said.stance, said.kind, said.chance
    best.time_ms, best.event = said.time_ms, said.event


@compiled
def outcome(books: Books, part: Any, before_ms: Int, reads: Any) -> tuple[Int, Float, Int, bool]:
    """What a verdict finds of a participant just before its claim's first ruling.

    Returns:
        stance (1 support, 2 denial, 3 a support that is a reshare, 0 none in time), and its q; the stance taken part
        with, now or before it was taken back; whether anything stands, or stood when it was ruled.
    """
    best, now, past = reads[0], reads[1], np.int64(part.past)
    best.stands = 0
    if part.event > 0 and not (past > 0 and corrected(books, past, part.event)):
        _take_later(best, part, before_ms)
    link = np.int64(part.further)
    while link > 0:
        further = books.further.records[link - 1]
        if not (past > 0 and corrected(books, past, further.event)):
            _take_later(best, further, before_ms)
        link = np.int64(further.next)
    link, was_there = past, False
    while link > 0:
        edit = books.edits.records[link - 1]
        if is_original(edit):
            read_at(books, past, link - 1, before_ms, True, now)
            if now.stands:
                _take_later(best, now, before_ms)
        elif edit.kind == DELETE and edit.time_ms >= before_ms:
            was_there = True
        link = np.int64(edit.next)
    there = part.event > 0
    if best.stands:
        said = np.int64(said_as(best.stance, best.kind))
        return said, np.float64(best.chance), np.int64(best.stance), there or was_there
    side: Int = np.int64(part.stance)
    if not there and was_there:
        side = _side_taken_back(books, past, before_ms, reads)
    return 0, 0.0, side, there or was_there


@compiled
def _side_taken_back(books: Books, past: Int, ruled_ms: Int, reads: Any) -> Int:
    """The stance of a participant who took back, after the ruling, all that stood then."""
    now, best, link = reads[1], reads[2], past
    best.stands = 0
    while link > 0:
        if is_original(books.edits.records[link - 1]) and _deleted_after(books, past, link - 1, ruled_ms):
            read_at(books, past, link - 1, END_MS, False, now)
            if now.stands and (not best.stands or outranks(now, best)):
                best.stands, best.stance, best.time_ms, best.event = 1, now.stance, now.time_ms, now.event
        link = np.int64(books.edits.records[link - 1].next)
    return np.int64(best.stance) if best.stands else 0


@compiled
def _deleted_after(books: Books, past: Int, original: Int, ruled_ms: Int) -> bool:
    event, link = books.edits.records[original].event, past
    while link > 0:
        edit = books.edits.records[link - 1]
        if edit.event == event and edit.kind == DELETE and edit.time_ms >= ruled_ms:
            return True
        link = np.int64(edit.next)
    return False


@inlined
def credit(books: Books, part_row: Int, again: bool, out: Credits) -> None:
    """Credit a participant of a settled claim, if it is not what was sent last; with `again` also where it is the same.

    Who denies takes the other side: denying a falsehood is no taking part in it.
    """
    part = books.participants.records[part_row]
    claim = books.claims.records[part.claim]
    stance, chance, side, there = outcome(books, part, claim.ruled_ms, out.reads)
    false = 1 if claim.verdict == FALSE else -1 if claim.verdict == TRUE else 0
    finding = 0 if not there else -false if side == DENY else false
    right = 0
    if false != 0 and stance > 0:
        right = 1 if (stance != DENY) == (claim.verdict == TRUE) else -1
    stance = stance if right != 0 else 0
    same = right == part.credited and finding == part.finding and stance == part.credited_stance
    if same and not (again and (right != 0 or finding != 0)):
        return
    row = out.rows[out.filled[0]]
    out.filled[0] += 1
    row.participant, row.claim = part_row, part.claim
    row.right, row.stance, row.chance, row.finding = right, stance, chance, finding
    row.former_right, row.former_stance = part.credited, part.credited_stance
    row.band, row.netted = part.band, part.cluster > 0
    part.credited, part.finding, part.credited_stance = right, finding, stance
    touch(books.participants.rows, part_row)


@compiled
def credit_owed(books: Books, claim_rows: Ints, link: Int, most: Int, out: Credits) -> Int:
    """Credits of those of these claims that are owed them, for at most so many participants.

    Args:
        link: participant of the first such claim to go on with, row + 1; 0 to begin.

    Returns:
        the participant to go on with, row + 1; 0 if nothing is owed any more.
    """
    left = most
    for claim_row in claim_rows:
        claim = books.claims.records[claim_row]
        if claim.owed == 0:
            continue
        at = link if link > 0 else np.int64(claim.members)
        link = np.int64(0)
        while at > 0:
            if left == 0:
                return at
            credit(books, at - 1, True, out)
            left -= 1
            at = np.int64(books.participants.records[at - 1].peer)
        claim.owed = 0
        touch(books.claims.rows, claim_row)
    return 0
