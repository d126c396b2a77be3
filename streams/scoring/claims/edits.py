"""Deletes and updates of events that the ledger holds: what they said is taken out of everything but settled credit.

    what an event says at a time    nothing once a delete precedes it; else what it said at first, with the stance and
                                    the text of the latest updates that precede it
    what it says now                the same at the end of time

So a claim is what it would be had the event been said as it reads now, or never: counts, stances, corroboration,
histories, cascade, first and latest event, root. A verdict credits what stood just before it; what was taken back or
rewritten afterwards stays settled, and so do lessons already drawn and the participation that communities were told.

For each corrected event what it said at first is kept beside its corrections; the ledger holds what stands. Corrections
are few: this is plain Python for each, and looks at all of a claim's events only where its first or latest event, its
root, or a post is taken back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from streams.contract.codes import DELETE, POST, RESHARE, UPDATE
from streams.scoring import cascade
from streams.scoring.claims.claim_tables import ROOT_POST, SAID, ClaimTables, chain
from streams.scoring.claims.ledger import began_otherwise, put_in, take_out, take_root, tier
from streams.scoring.claims.reading import chance_of
from streams.scoring.numeric import Ints, distinct, first_seen, mix_keys
from streams.scoring.sources.corrections import BROUGHT
from streams.tables.blocks import Block

IN_FORCE = -1  # where an event stands: in its participant's row, else in a row of `more`
READ = ("time_ms", "event", "kind", "stance", "text", "chance")
COLUMNS = ("t", "e", "kind", "x", "g")  # the same in a block, but the chance
NOTHING = (*(0 for _ in SAID), "")
END_MS = np.iinfo(np.int64).max


@dataclass(slots=True)
class Reading:
    """What an event says at a time."""

    t: int  # when it was said
    e: int
    kind: int
    x: int
    g: int
    q: float


class Edits:
    """Corrections of a partition's claims."""

    def __init__(self, tables: ClaimTables) -> None:
        self.tables = tables

    def fold(self, block: Block, part_rows: Ints, settings: npt.NDArray[Any]) -> Ints:
        """Take in corrections of known participants; which participants they change, each once."""
        known = self._knows(part_rows, block["e"]).nonzero()[0]
        block, part_rows = block.take(known), part_rows[known]
        if not known.size:
            return part_rows
        # A stance that an update brings is right with the chance that it had just before the block.
        claims, of = self.tables.claims.records, self.tables.parts["claim"]
        q = np.array([
            chance_of(claims[of[row]], stance, settings[0])
            for row, stance in zip(part_rows.tolist(), block["x"].tolist(), strict=True)
        ])  # fmt: skip
        touched, gone = distinct(part_rows), list[tuple[int, Reading]]()
        self._note(block, part_rows, q)
        books = self.tables.books(len(block))
        for row in touched.tolist():
            take_out(books, row, settings[0])
        self._correct(block, part_rows, gone)
        books = self.tables.books(len(block))
        for row in touched.tolist():
            put_in(books, row, settings[0])
        for claim in dict.fromkeys(claim for claim, _ in gone):
            self._take_out(claim, [said for of_claim, said in gone if of_claim == claim], settings[0])
        return touched

    # --- what is noted -------------------------------------------------------------------------------------------

    def _knows(self, part_rows: Ints, events: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
        """Which events the ledger holds, or held until they were taken back."""
        keys = mix_keys(part_rows, events)
        held = (self.tables.parts["event"][part_rows] == events) | (self.tables.more.find(keys) >= 0)
        known: npt.NDArray[np.bool_] = held | (self.tables.edits.find(keys) >= 0)
        return known

    def _note(self, block: Block, part_rows: Ints, q: npt.NDArray[np.float64]) -> None:
        """Keep what each event said at first, and every correction once; of deletes the earliest."""
        parts, more, edits = self.tables.parts, self.tables.more, self.tables.edits
        events, updates = block["e"], block["kind"] == UPDATE
        keys = mix_keys(part_rows, events)
        rows, made = edits.ensure(keys)
        at = first_seen(rows, made) if made.size else made
        in_force = parts["event"][part_rows[at]] == events[at]
        for table, where, held in (
            (parts, at[in_force], part_rows[at[in_force]]),
            (more, at[~in_force], more.find(keys[at[~in_force]])),
        ):
            for name in READ if where.size else ():
                edits[name][rows[where]] = table[name][held]
        self._link(rows[at], part_rows[at])
        rows, made = edits.ensure(mix_keys(keys, block["kind"], *(block[name] * updates for name in BROUGHT)))
        at = first_seen(rows, made) if made.size else made
        for name, column in zip(READ, COLUMNS, strict=False):
            edits[name][rows[at]] = block[column][at]
        edits["brings_text"][rows[at]], edits["chance"][rows[at]] = block["r"][at], q[at]
        self._link(rows[at], part_rows[at])
        np.minimum.at(edits["time_ms"], rows, block["t"])
        edits.touch(rows)

    def _link(self, rows: Ints, part_rows: Ints) -> None:
        parts, edits = self.tables.parts, self.tables.edits
        edits["participant"][rows] = part_rows
        for row, part in zip(rows.tolist(), part_rows.tolist(), strict=True):
            edits["next"][row], parts["past"][part] = parts["past"][part], row + 1

    # --- participants --------------------------------------------------------------------------------------------

    def _correct(self, block: Block, part_rows: Ints, gone: list[tuple[int, Reading]]) -> None:
        """Let events say what they say now; those that do not stand any more go to `gone`, with their claims."""
        parts = self.tables.parts
        alone = (parts["event"][part_rows] == block["e"]) & (parts["further"][part_rows] == 0)
        only = alone & (block["kind"] == DELETE)
        for part in distinct(part_rows[only]).tolist():
            gone.append((int(parts["claim"][part]), self._said(part, IN_FORCE)))
            self._fill(parts, part, NOTHING)
        rest: dict[int, dict[int, str]] = {}
        for i in (~only).nonzero()[0].tolist():
            rest.setdefault(int(part_rows[i]), {})[int(block["e"][i])] = block["i"][i]
        for part, events in rest.items():
            places, past = self._places(part), self._past(part)
            for event in events.keys() & places.keys():
                now = self._reads(past[event], END_MS)
                if now is None:
                    gone.append((int(parts["claim"][part]), self._said(part, places.pop(event))))
                else:
                    self._rewrite(part, places[event], now, events[event])
            self._arrange(part, places)

    def _places(self, part: int) -> dict[int, int]:
        """Where each event of a participant that stands is held."""
        parts, more = self.tables.parts, self.tables.more
        rows = chain(more, int(parts["further"][part]))
        places = dict(zip(more["event"][rows].tolist(), rows.tolist(), strict=True))
        in_force = int(parts["event"][part])
        return places | ({in_force: IN_FORCE} if in_force else {})

    def _past(self, part: int) -> dict[int, list[int]]:
        """Corrected events of a participant: rows of what each said at first and of its corrections."""
        edits = self.tables.edits
        rows = chain(edits, int(self.tables.parts["past"][part]))
        past: dict[int, list[int]] = {}
        for event, row in zip(edits["event"][rows].tolist(), rows.tolist(), strict=True):
            past.setdefault(event, []).append(row)
        return past

    def _said(self, part: int, place: int) -> Reading:
        table, row = (self.tables.parts, part) if place == IN_FORCE else (self.tables.more, place)
        return Reading(*(table[name][row].item() for name in READ))

    def _reads(self, rows: list[int], before_ms: int, deletes: bool = True) -> Reading | None:
        """What a corrected event said just before a time; None if nothing. Without `deletes` as if nothing was."""
        edits = self.tables.edits
        said = {row: Reading(*(edits[name][row].item() for name in READ)) for row in rows}
        (now,) = (reading for reading in said.values() if reading.kind < DELETE)
        changes = {row: change for row, change in said.items() if change.kind >= DELETE and change.t < before_ms}
        if now.t >= before_ms or (deletes and any(change.kind == DELETE for change in changes.values())):
            return None
        stances = [c for c in changes.values() if c.kind == UPDATE and c.x]
        texts = [c for row, c in changes.items() if c.kind == UPDATE and edits["brings_text"][row]]
        if stances and (latest := max(stances, key=lambda c: (c.t, c.x))).x != now.x:
            now.x, now.q = latest.x, latest.q
        if texts:
            now.g = max(texts, key=lambda c: (c.t, c.g)).g
        return now

    def _rewrite(self, part: int, place: int, now: Reading, event_id: str) -> None:
        table, row = (self.tables.parts, part) if place == IN_FORCE else (self.tables.more, place)
        table["stance"][row], table["text"][row], table["chance"][row] = now.x, now.g, now.q
        if now.x and now.kind != RESHARE:
            table.texts("id")[row] = event_id
        table.touch(np.array([row]))

    def _arrange(self, part: int, places: dict[int, int]) -> None:
        """Let the highest in rank of what stands be in force, and the chain hold the rest."""
        parts, more = self.tables.parts, self.tables.more
        held = chain(more, int(parts["further"][part]))
        rest = [row for row in places.values() if row != IN_FORCE]
        best = max(places.values(), key=lambda place: self._rank(part, place), default=IN_FORCE)
        if places and best == IN_FORCE and len(rest) == len(held):
            return
        displaced = None
        if best != IN_FORCE or not places:
            displaced = self._content(parts, part) if IN_FORCE in places.values() else None
            self._fill(parts, part, self._content(more, best) if places else NOTHING)
            rest = [row for row in rest if row != best]
        more.free(np.setdiff1d(held, rest))
        if displaced is not None:
            (row,), _ = more.ensure(mix_keys(np.array([part]), np.array([displaced[SAID.index("event")]], np.uint64)))
            self._fill(more, row, displaced)
            more["participant"][row] = part
            rest.append(int(row))
        linked = np.array(rest, np.int64)
        following = np.append(linked[1:] + 1, 0)[: len(linked)]
        moved = linked[more["next"][linked] != following]
        more["next"][linked] = following
        more.touch(moved)
        parts["further"][part] = rest[0] + 1 if rest else 0

    def _rank(self, part: int, place: int) -> tuple[int, int, int]:
        said = self._said(part, place)
        return int(tier(said.x)), said.t, said.e

    def _content(self, table: Any, row: int) -> tuple[Any, ...]:
        return *(table[name][row].item() for name in SAID), table.texts("id")[row]

    def _fill(self, table: Any, row: int, content: tuple[Any, ...]) -> None:
        for name, value in zip(SAID, content[:-1], strict=True):
            table[name][row] = value
        table.texts("id")[row] = content[-1]

    # --- claims --------------------------------------------------------------------------------------------------

    def _take_out(self, row: int, gone: list[Reading], settings: Any) -> None:
        """Events of a claim no longer stand: count, cascade, first and latest event, root."""
        claims = self.tables.claims
        claim = claims.records[row]
        claims["events"][row] -= len(gone)
        claims.touch(np.array([row]))
        posted = any(said.kind <= POST for said in gone)
        rooted = claim["root"] > 0 and any(said.e == claim["root_event"] for said in gone)
        ends = any(said.t <= claim["first_ms"] or said.t >= claim["last_ms"] for said in gone)
        if posted or rooted or ends:
            self._look_again(row, posted, rooted, settings)
        else:
            for said in gone:
                cascade.add(claim, said.t, -1.0)

    def _look_again(self, row: int, posted: bool, rooted: bool, settings: Any) -> None:
        """Find first and latest event, cascade and root in what is left of a claim.

        Args:
            posted, rooted: whether a post of the claim, and its root, was taken back.
        """
        claim = self.tables.claims.records[row]
        first_ms = int(claim["first_ms"])
        parts, said = self.tables.standing(row)
        cascade.recount(claim, said["time_ms"])
        if posted and not (said["kind"] <= POST).any():
            claim["bare"] = 1
        if rooted:
            claim["root"] = claim["root_ms"] = claim["root_event"] = 0
            for at in (said["kind"] == ROOT_POST).nonzero()[0].tolist():
                take_root(claim, int(parts[at]), int(said["time_ms"][at]), said["event"][at])
        if claim["first_ms"] != first_ms:
            began_otherwise(self.tables.books(), row, settings)
