"""The ledger of a claim: who took part, what each asserts now, and with which stamp.

Set semantics, so that order and repetition do not matter: of a participant's assertions (support or denial) the
latest by (event time, event id) is in force, a query or comment only where there is no assertion, what takes no stance
only where there is nothing else; of its stamps the one with the highest sequence. What is not in force is kept: a
verdict credits the last assertion before it, and what is in force may be taken back (see `edits`).

Everything that is summed over participants changes the same way: take the participant out, write, put it in again.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.contract.codes import DENY, QUERY, RESHARE, SUPPORT, UNSEEN
from streams.scoring.claims.claim_tables import (
    COMMENT,
    Books,
    asserts,
)
from streams.scoring.claims.corroboration import speak
from streams.scoring.numeric import Int, fixed, mix_key
from streams.scoring.signals.histories import brings_record
from streams.tables.compiled import compiled, inlined
from streams.tables.index import ensure, touch


@inlined
def tier(stance: Int) -> Int:
    """Rank of stances: assertions before questions and comments, and these before none; then time and hash decide.

    >>> [tier(stance) for stance in range(5)]
    [0, 2, 2, 1, 1]
    """
    if stance == 0:
        return 0
    return 2 if stance <= DENY else 1


@inlined
def outranks(one: Any, other: Any) -> bool:
    """Whether what one event says is in force before another."""
    if tier(one.stance) != tier(other.stance):
        return bool(tier(one.stance) > tier(other.stance))
    if one.time_ms != other.time_ms:
        return bool(one.time_ms > other.time_ms)
    return bool(one.event > other.event)


@inlined
def say(target: Any, source: Any) -> None:
    """Copy what an event says."""
    target.stance = source.stance
    target.kind = source.kind
    target.time_ms = source.time_ms
    target.event = source.event
    target.id = source.id
    target.text = source.text
    target.named = source.named
    target.chance = source.chance


# --- participants -----------------------------------------------------------------------------------------------------


@inlined
def admit(books: Books, claim_row: Int, source_row: Int) -> Int:
    """Row of a participant of a claim, new or known."""
    row, made = ensure(books.participants.rows, (claim_row << 32) | source_row)
    if made:
        part, claim = books.participants.records[row], books.claims.records[claim_row]
        part.claim, part.source = claim_row, source_row
        part.peer, claim.members = claim.members, row + 1
        books.names.records[source_row].parts += 1
        touch(books.names.rows, source_row)
    return row


@inlined
def take_stamp(part: Any, event: Any) -> None:
    """The stamp with the highest sequence holds."""
    if event.stamp > part.stamp:
        part.stamp = event.stamp
        part.support = event.support
        part.denial = event.denial
        part.cluster = event.cluster
        part.record = event.record
        part.band = event.band
        part.history = event.history
        part.history_30 = event.history_30


@inlined
def assert_stance(books: Books, row: Int, event: Any) -> None:
    """An event of a participant: the highest in rank is in force, and the rest is kept; of equals the first stays."""
    part = books.participants.records[row]
    if not has_words(event):
        event.id = 0
    if part.event == 0:
        say(part, event)
    elif outranks(event, part):
        keep(books, row, part)
        say(part, event)
    else:
        keep(books, row, event)


@inlined
def has_words(event: Any) -> bool:
    """Whether there is something to read in an event that says where its author stands."""
    return bool(event.stance > 0 and event.kind != RESHARE)


@inlined
def keep(books: Books, part_row: Int, said: Any) -> None:
    """Put an event that is not in force into its participant's chain; if it is there, it stays as it was."""
    row, made = ensure(books.further.rows, mix_key(part_row, said.event))
    if made:
        further, part = books.further.records[row], books.participants.records[part_row]
        say(further, said)
        further.participant = part_row
        further.next, part.further = part.further, row + 1


# --- what is summed over participants ---------------------------------------------------------------------------------


@inlined
def take_out(books: Books, row: Int, settings: Any) -> None:
    """Take a participant, if anything it said stands, out of everything that is summed over participants."""
    _count(books, row, -1, settings)


@inlined
def put_in(books: Books, row: Int, settings: Any) -> None:
    """Put it in again, as it stands now."""
    _count(books, row, 1, settings)


@inlined
def _count(books: Books, row: Int, sign: Int, settings: Any) -> None:
    part = books.participants.records[row]
    touch(books.participants.rows, row)
    if part.event == 0:
        return
    claim = books.claims.records[part.claim]
    claim.participants += sign
    _pool_stance(claim, part, sign, settings)
    if brings_record(part):
        _pool_history(claim, part, sign)
    speak(books, np.int64(part.claim), part, sign, settings)


@inlined
def _pool_stance(claim: Any, part: Any, sign: Int, settings: Any) -> None:
    """Counts of stances, and of voices by who speaks."""
    stance, reshare = part.stance, part.kind == RESHARE
    if stance == SUPPORT:
        claim.supports += sign
        if reshare:
            claim.reshares += sign
    elif stance == DENY:
        claim.denials += sign
    elif stance == QUERY:
        claim.queries += sign
    elif stance == COMMENT:
        claim.comments += sign
    if part.cluster > 0:
        claim.netted += sign
    elif part.record > UNSEEN:
        claim.regulars += sign
    if not asserts(stance) or reshare:
        return
    if part.cluster > 0:
        if stance == SUPPORT:
            claim.net_supports += sign
        else:
            claim.net_denials += sign
        count_rush(claim, part, sign, settings)
    elif part.band == 0:
        if stance == SUPPORT:
            claim.new_supports += sign
        else:
            claim.new_denials += sign


@inlined
def count_rush(claim: Any, part: Any, sign: Int, settings: Any) -> None:
    """An account in a copy-cluster that wrote, if it did so soon after its claim began."""
    if part.time_ms - claim.first_ms <= settings.rush_ms:
        if part.stance == SUPPORT:
            claim.rush_supports += sign
        else:
            claim.rush_denials += sign


@inlined
def _pool_history(claim: Any, part: Any, sign: Int) -> None:
    """Sums of histories. Who denies what those believe who repeat falsehoods speaks for it."""
    side = -sign if part.stance == DENY else sign
    claim.known += sign
    claim.history += side * fixed(np.float64(part.history))
    claim.history_30 += side * fixed(np.float64(part.history_30))
    if part.kind != RESHARE:
        claim.writers += sign
        claim.history_writers += side * fixed(np.float64(part.history))


# --- claims -----------------------------------------------------------------------------------------------------------


@compiled
def began_otherwise(books: Books, claim_row: Int, settings: Any) -> None:
    """Count anew who spoke soon, in a claim whose first event turned out to be another."""
    claim = books.claims.records[claim_row]
    if claim.net_supports + claim.net_denials == 0:
        return
    claim.rush_supports = claim.rush_denials = 0
    link = np.int64(claim.members)
    while link > 0:
        part = books.participants.records[link - 1]
        if part.event > 0 and part.cluster > 0 and asserts(part.stance) and part.kind != RESHARE:
            count_rush(claim, part, 1, settings)
        link = np.int64(part.peer)


@inlined
def take_root(claim: Any, part_row: Int, time_ms: Int, event: Int) -> None:
    """A post at the root: the earliest is the root."""
    earlier = time_ms < claim.root_ms or (time_ms == claim.root_ms and event < claim.root_event)
    if claim.root == 0 or earlier:
        claim.root, claim.root_ms, claim.root_event = part_row + 1, time_ms, event
