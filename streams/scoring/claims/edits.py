"""Deletes and updates of events that the ledger holds: what they said is taken out of everything but settled credit.

    what an event says at a time    nothing once a delete precedes it; else what it said at first, with the stance and
                                    the text of the latest updates that precede it
    what it says now                the same at the end of time

So a claim is what it would be had the event been said as it reads now, or never: counts, stances, corroboration,
histories, cascade, first and latest event, root. A verdict credits what stood just before it; what was taken back or
rewritten afterwards stays settled, and so do lessons already drawn and the participation that communities were told.

For each corrected event what it said at first is kept beside its corrections; the ledger holds what stands. All of a
claim's events are looked at only where its first or latest event, its root, or a post is taken back.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.contract.codes import DELETE, POST, UPDATE
from streams.scoring import cascade
from streams.scoring.claims.claim_tables import ROOT_POST, Books
from streams.scoring.claims.ledger import (
    began_otherwise,
    has_words,
    keep,
    outranks,
    put_in,
    say,
    take_out,
    take_root,
)
from streams.scoring.claims.reading import chance_of
from streams.scoring.numeric import Int, mix_key
from streams.tables.compiled import compiled, inlined
from streams.tables.index import ensure, find, touch
from streams.tables.table import forget

END_MS = np.iinfo(np.int64).max


@compiled
def correct(books: Books, row: Int, change: Any, settings: Any, now: Any) -> bool:
    """Take in a delete or an update of an event of a participant.

    Args:
        change: as a row of claim_tables.EVENT; `root` is 1 if it brings a text.
        now: room for what the event says now.

    Returns:
        whether the ledger holds the event, or held it until it was taken back; if not, nothing changes.
    """
    part = books.participants.records[row]
    key = mix_key(row, change.event)
    place, in_force = find(books.further.rows, key), part.event == change.event
    original = find(books.edits.rows, key)
    if not in_force and place < 0 and original < 0:
        return False
    claim = books.claims.records[part.claim]
    change.chance = chance_of(claim, change.stance, settings)
    if original < 0:
        original, _ = ensure(books.edits.rows, key)
        if in_force:
            _note_edit(books, row, original, part)
        else:
            _note_edit(books, row, original, books.further.records[place])
    _note_change(books, row, key, change)
    if not in_force and place < 0:
        return True
    read_at(books, np.int64(part.past), original, END_MS, True, now)
    take_out(books, row, settings)
    if in_force and now.stands:
        _rewrite(part, now, change)
    elif in_force:
        say(part, books.further.blank[0])
    elif now.stands:
        _rewrite(books.further.records[place], now, change)
        touch(books.further.rows, place)
    else:
        _drop(books, row, place)
    _promote(books, row)
    put_in(books, row, settings)
    if not now.stands:
        _uncount(books, np.int64(part.claim), now, settings)
    return True


# --- what is noted ----------------------------------------------------------------------------------------------------


@inlined
def _note_edit(books: Books, part_row: Int, row: Int, said: Any) -> None:
    """Keep what an event said at first, or what a correction brings, in its participant's chain."""
    edit, part = books.edits.records[row], books.participants.records[part_row]
    edit.participant, edit.event, edit.kind = part_row, said.event, said.kind
    edit.stance, edit.time_ms, edit.text, edit.chance = said.stance, said.time_ms, said.text, said.chance
    edit.next, part.past = part.past, row + 1
    touch(books.edits.rows, row)
    touch(books.participants.rows, part_row)


@inlined
def _note_change(books: Books, part_row: Int, key: Int, change: Any) -> None:
    """Keep each update once, and of deletes the earliest."""
    if change.kind == UPDATE:
        key = mix_key(mix_key(mix_key(key, change.stance * 2 + change.root), change.time_ms), change.text)
    row, made = ensure(books.edits.rows, mix_key(key, change.kind))
    if made:
        _note_edit(books, part_row, row, change)
        books.edits.records[row].brings_text = change.root
    elif change.time_ms < books.edits.records[row].time_ms:
        books.edits.records[row].time_ms = change.time_ms
        touch(books.edits.rows, row)


@compiled
def read_at(books: Books, first: Int, original: Int, before_ms: Int, deletes: bool, now: Any) -> None:
    """What a corrected event said just before a time.

    Args:
        first: where its participant's chain of corrections begins, row + 1.
        original: row of what it said at first.
        deletes: whether it says nothing once it was deleted.
        now: receives it; `stands` is 0 if it says nothing.
    """
    edits = books.edits.records
    said = edits[original]
    now.stance, now.kind, now.time_ms, now.event = said.stance, said.kind, said.time_ms, said.event
    now.text, now.chance, now.stands = said.text, said.chance, said.time_ms < before_ms
    now.stance_ms = now.text_ms = -END_MS
    stance, chance = said.stance, said.chance
    link = first
    while link > 0:
        edit = edits[link - 1]
        if edit.event == said.event and edit.time_ms < before_ms:
            if edit.kind == DELETE and deletes:
                now.stands = 0
            elif edit.kind == UPDATE:
                if edit.stance > 0 and _later(edit.time_ms, edit.stance, now.stance_ms, stance):
                    now.stance_ms, stance, chance = edit.time_ms, edit.stance, edit.chance
                if edit.brings_text > 0 and _later(edit.time_ms, edit.text, now.text_ms, now.text):
                    now.text_ms, now.text = edit.time_ms, edit.text
        link = np.int64(edit.next)
    if stance != now.stance:
        now.stance, now.chance = stance, chance


@inlined
def _later(time_ms: Int, value: Int, than_ms: Int, than: Int) -> bool:
    """Of two updates the later one holds, of equally late ones that with the higher value."""
    return bool(time_ms > than_ms or (time_ms == than_ms and value > than))


# --- participants -----------------------------------------------------------------------------------------------------


@inlined
def _rewrite(said: Any, now: Any, change: Any) -> None:
    """Let an event that stands say what it says now."""
    said.stance, said.text, said.chance = now.stance, now.text, now.chance
    if has_words(now):
        said.id = change.id


@inlined
def _promote(books: Books, part_row: Int) -> None:
    """Let the highest in rank of what stands be in force."""
    part, further = books.participants.records[part_row], books.further.records
    best, link = np.int64(-1), np.int64(part.further)
    while link > 0:
        if best < 0 or outranks(further[link - 1], further[best]):
            best = link - 1
        link = np.int64(further[link - 1].next)
    if best < 0 or (part.event > 0 and not outranks(further[best], part)):
        return
    if part.event > 0:
        keep(books, part_row, part)
    say(part, further[best])
    _drop(books, part_row, best)


@inlined
def _drop(books: Books, part_row: Int, row: Int) -> None:
    """Take a further event out of its participant's chain."""
    part, further = books.participants.records[part_row], books.further.records
    link = np.int64(part.further)
    if link == row + 1:
        part.further = further[row].next
    else:
        while further[link - 1].next != row + 1:
            link = np.int64(further[link - 1].next)
        further[link - 1].next = further[row].next
        touch(books.further.rows, link - 1)
    forget(books.further, row)


# --- claims -----------------------------------------------------------------------------------------------------------


@inlined
def _uncount(books: Books, claim_row: Int, gone: Any, settings: Any) -> None:
    """An event of a claim no longer stands: count, cascade, first and latest event, root."""
    claim = books.claims.records[claim_row]
    posted = gone.kind <= POST
    rooted = claim.root > 0 and gone.event == claim.root_event
    if posted or rooted or gone.time_ms <= claim.first_ms or gone.time_ms >= claim.last_ms:
        _count_again(books, claim_row, posted, rooted, settings)
    else:
        claim.events -= 1
        cascade.add(claim, gone.time_ms, -1.0)


@inlined
def _count_again(books: Books, claim_row: Int, posted: bool, rooted: bool, settings: Any) -> None:
    """Find events, cascade and root in what is left of a claim; of one of which nothing is left, both times stay.

    Args:
        posted, rooted: whether a post of the claim, and its root, was taken back.
    """
    claim, first_ms = books.claims.records[claim_row], np.int64(books.claims.records[claim_row].first_ms)
    cascade.restart(claim)
    if rooted:
        claim.root, claim.root_ms, claim.root_event = 0, 0, 0
    any_post, link = False, np.int64(claim.members)
    while link > 0:
        part = books.participants.records[link - 1]
        if part.event > 0:
            any_post |= _count_one(claim, part, link - 1, rooted)
            more = np.int64(part.further)
            while more > 0:
                any_post |= _count_one(claim, books.further.records[more - 1], link - 1, rooted)
                more = np.int64(books.further.records[more - 1].next)
        link = np.int64(part.peer)
    if posted and not any_post:
        claim.bare = 1
    if claim.first_ms != first_ms:
        began_otherwise(books, claim_row, settings)


@inlined
def _count_one(claim: Any, said: Any, part_row: Int, rooted: bool) -> bool:
    """Count an event that stands; whether it is a post."""
    cascade.arrive(claim, said.time_ms)
    if rooted and said.kind == ROOT_POST:
        take_root(claim, part_row, said.time_ms, said.event)
    return bool(said.kind <= POST)
